package dynamoledger

import (
	"context"
	"crypto/rand"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
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
	var u dynamo.Update
	u.Value("one", dynamo.Number(1))
	u.Set(state, dynamo.Text(string(ledger.Processing)))
	u.SetTo(epoch, "#epoch + :one", nil)
	u.SetTo(noProgress, "#no_progress + :one", nil)
	u.Set(owner, dynamo.Optional(c.Owner))
	u.Set(ownedUntil, dynamo.Moment(c.Until))
	u.Set(stateChange, dynamo.Moment(c.Now))
	u.Value("pending", dynamo.Text(string(ledger.Pending)))
	u.Value("now", dynamo.Instant(c.Now))
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
	var u dynamo.Update
	for name, v := range (content{c.Frame, c.Accounts, c.Rejects, c.Segments, c.Partial, c.Rows, c.Receipt}).attributes() {
		u.Set(name, v)
	}
	u.Set(state, dynamo.Text(string(c.State)))
	u.Set(line, dynamo.Number(c.To))
	u.Set(stateChange, dynamo.Moment(c.Now))
	if c.To > c.From || c.State == ledger.Finished {
		u.Set(noProgress, dynamo.Number(0))
	}
	if c.State != ledger.Processing {
		u.Set(owner, nil)
		u.Set(ownedUntil, nil)
	} else if !c.Until.IsZero() {
		u.Set(ownedUntil, dynamo.Instant(c.Until))
	}
	u.Value("held", dynamo.Number(c.Epoch))
	u.Value("from", dynamo.Number(c.From))
	u.Value("processing", dynamo.Text(string(ledger.Processing)))
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
		var u dynamo.Update
		states := ":pending, :processing"
		u.Value("pending", dynamo.Text(string(ledger.Pending)))
		u.Value("processing", dynamo.Text(string(ledger.Processing)))
		if s.State == ledger.Failed {
			u.SetTo(epoch, "#epoch + :one", nil)
			u.Value("one", dynamo.Number(1))
			states += ", :state" // it may fail again
		}
		condition := "#epoch = :held AND #state IN (" + states + ")"
		if takeBack {
			condition = "#epoch = :held AND #state = :processing AND #no_progress >= :one"
			u.SetTo(noProgress, "#no_progress - :one", nil)
			u.Value("one", dynamo.Number(1))
			delete(u.Values, ":pending")
		}
		u.Value("held", dynamo.Number(s.Epoch))
		u.Set(state, dynamo.Text(string(s.State)))
		u.Set(stateChange, dynamo.Moment(s.Now))
		u.Set(owner, nil)
		u.Set(ownedUntil, nil)
		if s.Error != "" {
			u.Set(reason, dynamo.Text(s.Error))
		}
		i, ok, err := l.change(ctx, s.ID, &u, token, condition, types.ReturnValueNone)
		switch {
		case err != nil || ok:
			return err
		case !takeBack || (&dynamo.Reader{Item: i}).Number(epoch) != s.Epoch:
			return ledger.ErrFenced
		}
		takeBack = false
	}
}

// Reopen makes a FAILED cursor begin again.
func (l *Ledger) Reopen(ctx context.Context, r ledger.Reopen) error {
	var u dynamo.Update
	for name := range (content{}).attributes() {
		u.Set(name, nil)
	}
	u.Set(owner, nil)
	u.Set(ownedUntil, nil)
	u.Set(state, dynamo.Text(string(ledger.Pending)))
	u.Set(stateChange, dynamo.Moment(r.Now))
	u.Set(etag, dynamo.Optional(r.ETag))
	u.Set(objectSize, dynamo.Count(r.Size))
	u.Set(line, dynamo.Number(0))
	u.Set(noProgress, dynamo.Number(0))
	u.SetTo(epoch, "#epoch + :one", nil)
	u.Value("one", dynamo.Number(1))
	u.Value("held", dynamo.Number(r.Epoch))
	u.Value("failed", dynamo.Text(string(ledger.Failed)))
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
	ctx context.Context, id ledger.CursorID, u *dynamo.Update, token, condition string, returns types.ReturnValue,
) (item, bool, error) {
	key, err := cursorKey(id)
	if err != nil {
		return nil, false, err
	}
	u.Set(write, dynamo.Text(token))
	condition = "(" + condition + ") AND (attribute_not_exists(#write) OR #write <> :write)"
	expression := u.Expression()
	out, err := dynamo.Once(ctx, l.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &l.tables.Cursors, Key: key, UpdateExpression: &expression, ConditionExpression: &condition,
		ExpressionAttributeNames: dynamo.NamesIn(expression, condition), ExpressionAttributeValues: u.Values,
		ReturnValues: returns, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if old, refused := dynamo.OldItem(err); refused {
		return old, (&dynamo.Reader{Item: old}).Text(write) == token, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}
