package dynamoledger

import (
	"context"
	"crypto/rand"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// A call below may reach DynamoDB more than once, because an answer was lost or late. Each call writes a token that no
// other has, and asks that the cursor does not bear it yet: where that fails, the call has been carried out already.

// Claim takes a cursor for one worker.
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
	cursor, err := l.claim(ctx, c)
	return cursor, l.explain(err, l.tables.Cursors, "claiming %s", c.ID.Key)
}

func (l *Ledger) claim(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
	var u update
	u.value("one", number(1))
	u.set(state, text(string(ledger.Processing)))
	u.setTo(epoch, "#epoch + :one", nil)
	u.setTo(noProgress, "#no_progress + :one", nil)
	u.set(owner, optional(c.Owner))
	u.set(ownedUntil, moment(c.Until))
	u.set(stateChange, moment(c.Now))
	u.value("pending", text(string(ledger.Pending)))
	u.value("now", instant(c.Now))
	i, ok, err := l.change(ctx, c.ID, &u, rand.Text(),
		"#state = :pending OR (#state = :state AND (attribute_not_exists(#owned_until) OR #owned_until <= :now))", types.ReturnValueAllNew)
	if err != nil {
		return ledger.Cursor{}, err
	}
	if len(i) == 0 {
		return ledger.Cursor{}, ledger.ErrNotFound
	}
	cursor, err := cursorOf(i)
	switch {
	case err != nil || ok:
		return cursor, err
	case cursor.State == ledger.Finished:
		return cursor, ledger.ErrFinished
	case cursor.State == ledger.Failed:
		return cursor, ledger.ErrFailed
	default:
		return cursor, ledger.ErrOwned
	}
}

// Commit is the one write by which lines are counted.
func (l *Ledger) Commit(ctx context.Context, c ledger.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	var u update
	for name, v := range (content{c.Frame, c.Accounts, c.Rejects, c.Segments, c.Partial, c.Rows, c.Receipt}).attributes() {
		u.set(name, v)
	}
	u.set(state, text(string(c.State)))
	u.set(line, number(c.To))
	u.set(stateChange, moment(c.Now))
	if c.To > c.From || c.State == ledger.Finished {
		u.set(noProgress, number(0))
	}
	if c.State != ledger.Processing {
		u.set(owner, nil)
		u.set(ownedUntil, nil)
	} else if !c.Until.IsZero() {
		u.set(ownedUntil, instant(c.Until))
	}
	u.value("held", number(c.Epoch))
	u.value("from", number(c.From))
	u.value("processing", text(string(ledger.Processing)))
	_, ok, err := l.change(ctx, c.ID, &u, rand.Text(), "#epoch = :held AND #line = :from AND #state = :processing", types.ReturnValueNone)
	return l.explain(fencedUnless(ok, err), l.tables.Cursors, "committing %s", c.ID.Key)
}

// Settle gives a cursor up.
func (l *Ledger) Settle(ctx context.Context, s ledger.Settle) error {
	if err := s.Check(); err != nil {
		return err
	}
	return l.explain(l.settle(ctx, s), l.tables.Cursors, "settling %s", s.ID.Key)
}

// settle tries to take the claim back first, where that is wanted, and goes without where there is nothing to take back:
// what happens to no_progress depends on the state, which an expression cannot ask for. Both tries bear one token, so
// that the second finds out about the first. Between them the state cannot become one with something to take back:
// that would be a claim, which raises the epoch.
func (l *Ledger) settle(ctx context.Context, s ledger.Settle) error {
	token := rand.Text()
	takeBack := s.TakeBack && s.State == ledger.Pending
	for {
		var u update
		states := ":pending, :processing"
		u.value("pending", text(string(ledger.Pending)))
		u.value("processing", text(string(ledger.Processing)))
		if s.State == ledger.Failed {
			u.setTo(epoch, "#epoch + :one", nil)
			u.value("one", number(1))
			states += ", :state" // it may fail again
		}
		condition := "#epoch = :held AND #state IN (" + states + ")"
		if takeBack {
			condition = "#epoch = :held AND #state = :processing AND #no_progress >= :one"
			u.setTo(noProgress, "#no_progress - :one", nil)
			u.value("one", number(1))
			delete(u.values, ":pending")
		}
		u.value("held", number(s.Epoch))
		u.set(state, text(string(s.State)))
		u.set(stateChange, moment(s.Now))
		u.set(owner, nil)
		u.set(ownedUntil, nil)
		if s.Error != "" {
			u.set(reason, text(s.Error))
		}
		i, ok, err := l.change(ctx, s.ID, &u, token, condition, types.ReturnValueNone)
		switch {
		case err != nil || ok:
			return err
		case !takeBack || (&reader{item: i}).number(epoch) != s.Epoch:
			return ledger.ErrFenced
		}
		takeBack = false
	}
}

// Reopen makes a FAILED cursor begin again.
func (l *Ledger) Reopen(ctx context.Context, r ledger.Reopen) error {
	var u update
	for name := range (content{}).attributes() {
		u.set(name, nil)
	}
	u.set(owner, nil)
	u.set(ownedUntil, nil)
	u.set(state, text(string(ledger.Pending)))
	u.set(stateChange, moment(r.Now))
	u.set(etag, optional(r.ETag))
	u.set(objectSize, count(r.Size))
	u.set(line, number(0))
	u.set(noProgress, number(0))
	u.setTo(epoch, "#epoch + :one", nil)
	u.value("one", number(1))
	u.value("held", number(r.Epoch))
	u.value("failed", text(string(ledger.Failed)))
	_, ok, err := l.change(ctx, r.ID, &u, rand.Text(), "#epoch = :held AND #state = :failed", types.ReturnValueNone)
	return l.explain(fencedUnless(ok, err), l.tables.Cursors, "reopening %s", r.ID.Key)
}

func fencedUnless(ok bool, err error) error {
	if err == nil && !ok {
		return ledger.ErrFenced
	}
	return err
}

// change updates one cursor if the condition holds, and reports whether it has: now, or by an attempt whose answer did
// not come. It returns the cursor as returns says, and where the condition did not hold, as it stood then.
func (l *Ledger) change(
	ctx context.Context, id ledger.CursorID, u *update, token, condition string, returns types.ReturnValue,
) (item, bool, error) {
	key, err := cursorKey(id)
	if err != nil {
		return nil, false, err
	}
	u.set(write, text(token))
	condition = "(" + condition + ") AND (attribute_not_exists(#write) OR #write <> :write)"
	expression := u.expression()
	out, err := once(ctx, l.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &l.tables.Cursors, Key: key, UpdateExpression: &expression, ConditionExpression: &condition,
		ExpressionAttributeNames: namesIn(expression, condition), ExpressionAttributeValues: u.values,
		ReturnValues: returns, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if old, refused := oldItem(err); refused {
		return old, (&reader{item: old}).text(write) == token, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}
