package dynamoledger

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// keep is for how long leases and progress stay after they were written or are over. Then DynamoDB may delete them: it
// takes the room back, it decides nothing.
const keep = 30 * 24 * time.Hour

// expiry is the value of the attribute dynamo.Expires, in seconds as DynamoDB wants it.
func expiry(over time.Time) types.AttributeValue {
	if now := time.Now(); over.Before(now) {
		over = now
	}
	return dynamo.Number(over.Add(keep).Unix())
}

// AcquireLease takes a lease that is free, over or the owner's own; ErrHeld, with the lease that stands. Made twice, it is
// the owner's own the second time.
func (l *Ledger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	stands, err := l.acquire(ctx, lease, now)
	return stands, l.explain(err, l.tables.Meta, "acquiring lease %s", lease.Name)
}

func (l *Ledger) acquire(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	key, err := keyOf(leasePartition, lease.Name)
	if err != nil {
		return ledger.Lease{}, err
	}
	var u dynamo.Update
	u.Set("owner", dynamo.Text(lease.Owner))
	u.Set("until", dynamo.Instant(lease.Until))
	u.Set(dynamo.Expires, expiry(lease.Until))
	u.Value("now", dynamo.Instant(now))
	const free = "attribute_not_exists(#pk) OR #owner = :owner OR #until <= :now"
	_, err = dynamo.Call(ctx, l.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &l.tables.Meta, Key: key, UpdateExpression: aws.String(u.Expression()), ConditionExpression: aws.String(free),
		ExpressionAttributeNames: dynamo.NamesIn(u.Expression(), free), ExpressionAttributeValues: u.Values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	old, refused := dynamo.OldItem(err)
	if err == nil {
		return lease, nil
	}
	if !refused {
		return ledger.Lease{}, err
	}
	r := dynamo.Reader{Item: old}
	lease.Owner, lease.Until = r.Text("owner"), r.Instant("until")
	if r.Err != nil {
		return lease, r.Err
	}
	return lease, ledger.ErrHeld
}

// ReleaseLease frees the lease if the owner still has it.
func (l *Ledger) ReleaseLease(ctx context.Context, name, owner string) error {
	key, err := keyOf(leasePartition, name)
	if err == nil {
		const own = "#owner = :owner"
		_, err = dynamo.Call(ctx, l.db.DeleteItem, &dynamodb.DeleteItemInput{
			TableName: &l.tables.Meta, Key: key, ConditionExpression: aws.String(own),
			ExpressionAttributeNames: dynamo.NamesIn(own), ExpressionAttributeValues: item{":owner": dynamo.Text(owner)},
		})
		if _, refused := dynamo.OldItem(err); refused {
			return nil
		}
	}
	return l.explain(err, l.tables.Meta, "releasing lease %s", name)
}

// maxSketches is how many bytes of a worker's sketches are kept, which leaves room for the rest of the item. One
// protocol's takes up to 16 KiB.
const maxSketches = 380 << 10

// PutProgress stores a worker's own totals. Of more than 23 protocols with many rows, some sketches may be left out: they
// are there for an estimate.
func (l *Ledger) PutProgress(ctx context.Context, p ledger.Progress) error {
	i, err := keyOf(progressPartition+p.Replay, p.Worker)
	if err == nil {
		sketches, room := item{}, maxSketches
		for name, sketch := range p.Keys {
			if room -= len(name) + len(sketch); room < 0 {
				break
			}
			sketches[name] = dynamo.Binary(sketch)
		}
		if len(sketches) > 0 {
			i["sketches"] = &types.AttributeValueMemberM{Value: sketches}
		}
		p.Keys = nil
		i[recordAttribute], i[dynamo.Expires] = dynamo.Record(p, false), expiry(p.At)
		_, err = dynamo.Call(ctx, l.db.PutItem, &dynamodb.PutItemInput{TableName: &l.tables.Meta, Item: i})
	}
	return l.explain(err, l.tables.Meta, "putting the progress of %s", p.Worker)
}

// Progress returns what the workers of a replay stored, by worker.
func (l *Ledger) Progress(ctx context.Context, replay string) ([]ledger.Progress, error) {
	all, err := l.progress(ctx, replay)
	return all, l.explain(err, l.tables.Meta, "reading the progress of %s", replay)
}

func (l *Ledger) progress(ctx context.Context, replay string) (all []ledger.Progress, _ error) {
	for page, err := range l.partition(ctx, l.tables.Meta, progressPartition+replay, "") {
		if err != nil {
			return nil, err
		}
		for _, i := range page {
			var p ledger.Progress
			r := dynamo.Reader{Item: i}
			r.Record(recordAttribute, &p)
			if sketches, ok := i["sketches"].(*types.AttributeValueMemberM); ok {
				inner := dynamo.Reader{Item: sketches.Value}
				p.Keys = map[string][]byte{}
				for name := range sketches.Value {
					p.Keys[name] = inner.Bytes(name)
				}
			}
			if r.Err != nil {
				return nil, r.Err
			}
			all = append(all, p)
		}
	}
	return all, nil
}
