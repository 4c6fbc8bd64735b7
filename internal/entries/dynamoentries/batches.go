package dynamoentries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// A batch is an item batch#<id>, each of its pages an item batch#<id>#<page>. The item batches#<protocol> holds the ids of those
// that are OPEN or CLAIMED, changed in the transactions that open and end them, so that they are found by a consistent read.

// The attributes of these items, beside protocol.
const (
	epoch   = "epoch"
	state   = "state"
	object  = "key" // of the archive
	pages   = "pages"
	members = "members" // of a page: a list; of a batch: how many
	size    = "bytes"
	opened  = "opened"
	open    = "open" // of batches#<protocol>
)

func batchKey(name string) string          { return "batch#" + name }
func pageKey(name string, page int) string { return fmt.Sprintf("batch#%s#%d", name, page) }
func registryKey(of string) string         { return "batches#" + of }

// batchOf is the batch of an item.
func batchOf(i dynamo.Item) (entries.Batch, error) {
	r := dynamo.Reader{Item: i}
	b := entries.Batch{
		ID: strings.TrimPrefix(r.Key(id), batchKey("")), Protocol: r.Text(protocol), Epoch: r.Number(epoch), State: entries.State(r.Text(state)),
		Key: r.Text(object), Pages: int(r.Number(pages)), Entries: r.Number(members), Bytes: r.Number(size), Opened: r.Instant(opened),
	}
	return b, r.Err
}

// errThere says that a batch exists already.
var errThere = errors.New("there is a batch of that id")

// OpenBatch stores a new batch, in one transaction with its place among the protocol's.
func (e *Entries) OpenBatch(ctx context.Context, b entries.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("opening a batch: %w", err)
	}
	check, err := e.ledger.EpochIs(b.Protocol, b.Epoch)
	if err == nil {
		const fresh = "attribute_not_exists(#id)"
		item := dynamo.Without(dynamo.Item{
			id: dynamo.Text(batchKey(b.ID)), protocol: dynamo.Text(b.Protocol), epoch: dynamo.Number(b.Epoch), state: dynamo.Text(string(entries.Open)),
			object: dynamo.Optional(b.Key), pages: dynamo.Number(0), members: dynamo.Number(0), size: dynamo.Number(0), opened: dynamo.Moment(b.Opened),
		})
		err = e.transact(ctx, []write{
			{check, entries.ErrEpoch},
			{types.TransactWriteItem{Put: &types.Put{
				TableName: &e.table, Item: item, ConditionExpression: aws.String(fresh), ExpressionAttributeNames: dynamo.NamesIn(fresh),
			}}, errThere},
			e.register(b, "ADD"),
		})
	}
	if errors.Is(err, errThere) {
		return nil
	}
	return e.explain(err, "opening batch %s", b.ID)
}

// register adds a batch to those of its protocol, or takes it out (DELETE).
func (e *Entries) register(b entries.Batch, verb string) write {
	expression := verb + " #open :id"
	return write{TransactWriteItem: types.TransactWriteItem{Update: &types.Update{
		TableName: &e.table, Key: dynamo.Item{id: dynamo.Text(registryKey(b.Protocol))}, UpdateExpression: &expression,
		ExpressionAttributeNames: dynamo.NamesIn(expression), ExpressionAttributeValues: dynamo.Item{":id": textSet(b.ID)},
	}}}
}

// Join is one transaction over Meta, the batch, a page, and the members.
func (e *Entries) Join(ctx context.Context, j entries.Join) (entries.Batch, error) {
	doing := fmt.Sprintf("joining %d entries to batch %s", len(j.Members), j.Batch.ID)
	if err := j.Check(); err != nil {
		return entries.Batch{}, fmt.Errorf("%s: %w", doing, err)
	}
	check, err := e.ledger.EpochIs(j.Batch.Protocol, j.Batch.Epoch)
	if err != nil {
		return entries.Batch{}, fmt.Errorf("%s: %w", doing, err)
	}
	b := j.Batch
	b.State, b.Pages, b.Entries, b.Bytes = entries.Open, b.Pages+1, b.Entries+int64(len(j.Members)), b.Bytes+j.Bytes
	writes := []write{{check, entries.ErrEpoch}, e.grow(j.Batch, b), e.newPage(j)}
	for _, m := range j.Members {
		writes = append(writes, e.take(j, m))
	}
	if err := e.transact(ctx, writes); err != nil {
		return entries.Batch{}, e.explain(err, "%s", doing)
	}
	return b, nil
}

// grow is what a join writes into the batch.
func (e *Entries) grow(before, after entries.Batch) write {
	var u dynamo.Update
	u.Set(pages, dynamo.Number(int64(after.Pages)))
	u.Set(members, dynamo.Number(after.Entries))
	u.Set(size, dynamo.Number(after.Bytes))
	u.Value("open", dynamo.Text(string(entries.Open)))
	u.Value("before", dynamo.Number(int64(before.Pages)))
	return e.change(batchKey(before.ID), &u, "#state = :open AND #pages = :before", entries.ErrClosed)
}

// newPage is the page that a join adds. It is nobody else's: the batch says so.
func (e *Entries) newPage(j entries.Join) write {
	list := make([]types.AttributeValue, len(j.Members))
	for n, m := range j.Members {
		list[n] = &types.AttributeValueMemberM{Value: dynamo.Item{id: dynamo.Text(m.ID), ts: dynamo.Instant(m.TS)}}
	}
	return write{TransactWriteItem: types.TransactWriteItem{Put: &types.Put{TableName: &e.table, Item: dynamo.Item{
		id: dynamo.Text(pageKey(j.Batch.ID, j.Batch.Pages)), members: &types.AttributeValueMemberL{Value: list},
	}}}}
}

// take is what a join writes into a member.
func (e *Entries) take(j entries.Join, m entries.Member) write {
	condition := "#PROCESSED = :yes AND attribute_not_exists(#batch)"
	var u dynamo.Update
	u.Set(inBatch, dynamo.Text(j.Batch.ID))
	u.Value("yes", yes())
	for n, g := range j.Gens {
		name := fmt.Sprintf("g%d", n)
		condition += " AND contains(#gens, :" + name + ")"
		u.Value(name, dynamo.Number(g))
	}
	return e.change(m.ID, &u, condition, fmt.Errorf("entry %q: %w", m.ID, entries.ErrStale))
}

// ClaimBatch freezes a batch.
func (e *Entries) ClaimBatch(ctx context.Context, name string) (entries.Batch, error) {
	var u dynamo.Update
	u.Set(state, dynamo.Text(string(entries.Claimed)))
	u.Value("open", dynamo.Text(string(entries.Open)))
	const isOpen = "#state = :open"
	out, err := alone(ctx, e.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &e.table, Key: dynamo.Item{id: dynamo.Text(batchKey(name))},
		UpdateExpression: aws.String(u.Expression()), ConditionExpression: aws.String(isOpen),
		ExpressionAttributeNames: dynamo.NamesIn(u.Expression(), isOpen), ExpressionAttributeValues: u.Values,
		ReturnValues: types.ReturnValueAllNew, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	item, refused := dynamo.OldItem(err)
	switch {
	case refused && len(item) == 0:
		err = entries.ErrNotFound
	case refused:
		err = nil
	case err == nil:
		item = out.Attributes
	}
	var b entries.Batch
	if err == nil {
		b, err = batchOf(item)
	}
	return b, e.explain(err, "claiming batch %s", name)
}

// Unwritten returns the batches of a protocol that are OPEN or CLAIMED.
func (e *Entries) Unwritten(ctx context.Context, name string) ([]entries.Batch, error) {
	list, err := e.unwritten(ctx, name)
	return list, e.explain(err, "reading the batches of %s", name)
}

func (e *Entries) unwritten(ctx context.Context, name string) ([]entries.Batch, error) {
	registry, err := dynamo.Get(ctx, e.db, e.table, dynamo.Item{id: dynamo.Text(registryKey(name))})
	if err != nil {
		return nil, err
	}
	set, _ := registry[open].(*types.AttributeValueMemberSS)
	if set == nil {
		return nil, nil
	}
	var list []entries.Batch
	for some := range slices.Chunk(set.Value, dynamo.MaxBatchGet) {
		keys := make([]dynamo.Item, len(some))
		for n, batch := range some {
			keys[n] = dynamo.Item{id: dynamo.Text(batchKey(batch))}
		}
		items, err := dynamo.BatchGet(ctx, e.db, e.table, keys)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			b, err := batchOf(i)
			if err != nil {
				return nil, err
			}
			if b.State != entries.Done { // it was when the registry was read
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b entries.Batch) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// pagesAtOnce is how many pages of members are in memory.
const pagesAtOnce = 16

// Members yields a batch's members.
func (e *Entries) Members(ctx context.Context, b entries.Batch) iter.Seq2[entries.Member, error] {
	return func(yield func(entries.Member, error) bool) {
		for from := 0; from < b.Pages; from += pagesAtOnce {
			list, err := e.members(ctx, b, from, min(from+pagesAtOnce, b.Pages))
			if err != nil {
				yield(entries.Member{}, e.explain(err, "reading the members of batch %s", b.ID))
				return
			}
			for _, m := range list {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// members reads the pages [from, to).
func (e *Entries) members(ctx context.Context, b entries.Batch, from, to int) ([]entries.Member, error) {
	var keys []dynamo.Item
	for page := from; page < to; page++ {
		keys = append(keys, dynamo.Item{id: dynamo.Text(pageKey(b.ID, page))})
	}
	items, err := dynamo.BatchGet(ctx, e.db, e.table, keys)
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]dynamo.Item, len(items))
	for _, i := range items {
		byKey[(&dynamo.Reader{Item: i}).Key(id)] = i
	}
	var list []entries.Member
	for page := from; page < to; page++ {
		i, there := byKey[pageKey(b.ID, page)]
		if !there {
			return nil, fmt.Errorf("page %d of %d: %w", page, b.Pages, entries.ErrNotFound)
		}
		found, _ := i[members].(*types.AttributeValueMemberL)
		if found == nil {
			return nil, fmt.Errorf("page %d of %d has no members", page, b.Pages)
		}
		for _, v := range found.Value {
			m, _ := v.(*types.AttributeValueMemberM)
			if m == nil {
				return nil, fmt.Errorf("page %d of %d: a member is a %T", page, b.Pages, v)
			}
			r := dynamo.Reader{Item: m.Value}
			list = append(list, entries.Member{ID: r.Text(id), TS: r.Instant(ts)})
			if r.Err != nil {
				return nil, r.Err
			}
		}
	}
	return list, nil
}

// Archived marks members of a batch.
func (e *Entries) Archived(ctx context.Context, batch string, ids []string, expires time.Time) error {
	if err := entries.CheckArchived(batch, ids); err != nil {
		return fmt.Errorf("marking entries as archived: %w", err)
	}
	var u dynamo.Update
	u.Set(archived, yes())
	u.Set(dynamo.Expires, seconds(expires))
	u.Set(todo, nil)
	u.Value("batch", dynamo.Text(batch))
	err := e.each(ctx, ids, &u, "#batch = :batch")
	return e.explain(err, "marking entries of batch %s as archived", batch)
}

// each updates items that fulfil a condition, side by side.
func (e *Entries) each(ctx context.Context, names []string, u *dynamo.Update, condition string) error {
	expression := u.Expression()
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(e.atOnce)
	for _, name := range names {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			_, err := alone(inner, e.db.UpdateItem, &dynamodb.UpdateItemInput{
				TableName: &e.table, Key: dynamo.Item{id: dynamo.Text(name)},
				UpdateExpression: &expression, ConditionExpression: &condition,
				ExpressionAttributeNames: dynamo.NamesIn(expression, condition), ExpressionAttributeValues: u.Values,
			})
			if _, refused := dynamo.OldItem(err); refused {
				return nil
			}
			return err
		})
	}
	err := group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// errState says that a batch is in another state.
var errState = errors.New("the batch is not CLAIMED")

// DoneBatch makes a batch DONE, in one transaction with the protocol's registry, and then has its pages expire: pages without
// a batch that is DONE could not be done without. Where that is cut short, they stay.
func (e *Entries) DoneBatch(ctx context.Context, b entries.Batch, expires time.Time) error {
	doing := "ending batch " + b.ID
	var u dynamo.Update
	u.Set(state, dynamo.Text(string(entries.Done)))
	u.Set(dynamo.Expires, seconds(expires))
	u.Value("claimed", dynamo.Text(string(entries.Claimed)))
	done := e.change(batchKey(b.ID), &u, "#state = :claimed", errState)
	done.Update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	err := e.transact(ctx, []write{done, e.register(b, "DELETE")})
	if stands := (*refusal)(nil); errors.As(err, &stands) {
		if now, _ := batchOf(stands.item); len(stands.item) > 0 && now.State != entries.Done {
			return fmt.Errorf("%s: %w, but %s", doing, err, now.State)
		}
		err = nil
	}
	if err != nil {
		return e.explain(err, "%s", doing)
	}
	var over dynamo.Update
	over.Set(dynamo.Expires, seconds(expires))
	var names []string
	for page := range b.Pages {
		names = append(names, pageKey(b.ID, page))
	}
	return e.explain(e.each(ctx, names, &over, "attribute_exists(#id)"), "%s", doing)
}
