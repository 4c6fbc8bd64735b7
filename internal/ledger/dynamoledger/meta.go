package dynamoledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// The partitions of the Meta table. What is asked for as a list shares one: a query reads it consistently and reads
// nothing else.
const (
	protocolPartition   = "protocol"    // sk: the name
	generationPartition = "generation#" // <protocol>; sk: the number
	replayPartition     = "replay"      // sk: the id
	progressPartition   = "progress#"   // <replay>; sk: the worker
	leasePartition      = "lease"       // sk: the name
)

// What a record of Meta has beside its readable attributes. The JSON is the record; the attribute version is the one
// that counts.
const (
	recordAttribute  = "record"
	versionAttribute = "version"
)

// Protocol returns a protocol's record, of Version 0 where there is none.
func (l *Ledger) Protocol(ctx context.Context, name string) (ledger.Protocol, error) {
	p := ledger.Protocol{Name: name}
	err := l.one(ctx, protocolPartition, name, &p, &p.Version)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.Protocol{Name: name}, nil
	}
	return p, l.explain(err, l.tables.Meta, "reading protocol %s", name)
}

// Protocols returns all protocols by name.
func (l *Ledger) Protocols(ctx context.Context) ([]ledger.Protocol, error) {
	all, err := list(ctx, l, protocolPartition, func(p *ledger.Protocol, version int64) { p.Version = version })
	return all, l.explain(err, l.tables.Meta, "reading the protocols")
}

// Generation returns one generation; ErrNotFound.
func (l *Ledger) Generation(ctx context.Context, protocol string, number int64) (ledger.Generation, error) {
	var g ledger.Generation
	err := l.one(ctx, generationPartition+protocol, strconv.FormatInt(number, 10), &g, &g.Version)
	return g, l.explain(err, l.tables.Meta, "reading generation %d of %s", number, protocol)
}

// Replay returns one replay; ErrNotFound.
func (l *Ledger) Replay(ctx context.Context, id string) (ledger.Replay, error) {
	var r ledger.Replay
	err := l.one(ctx, replayPartition, id, &r, &r.Version)
	return r, l.explain(err, l.tables.Meta, "reading replay %s", id)
}

// Replays returns all replays, the newest first.
func (l *Ledger) Replays(ctx context.Context) ([]ledger.Replay, error) {
	all, err := list(ctx, l, replayPartition, func(r *ledger.Replay, version int64) { r.Version = version })
	slices.Reverse(all)
	return all, l.explain(err, l.tables.Meta, "reading the replays")
}

// one reads a record; ErrNotFound.
func (l *Ledger) one(ctx context.Context, partition, name string, record any, version *int64) error {
	key, err := keyOf(partition, name)
	if err != nil {
		return err
	}
	i, err := l.get(ctx, l.tables.Meta, key)
	if err != nil {
		return err
	}
	if i == nil {
		return ledger.ErrNotFound
	}
	r := dynamo.Reader{Item: i}
	r.Record(recordAttribute, record)
	*version = r.Number(versionAttribute)
	return r.Err
}

// list reads the records of a partition in the order of their names.
func list[T any](ctx context.Context, l *Ledger, partition string, setVersion func(*T, int64)) ([]T, error) {
	var all []T
	for page, err := range l.partition(ctx, l.tables.Meta, partition, "") {
		if err != nil {
			return nil, err
		}
		for _, i := range page {
			var v T
			r := dynamo.Reader{Item: i}
			r.Record(recordAttribute, &v)
			setVersion(&v, r.Number(versionAttribute))
			if r.Err != nil {
				return nil, r.Err
			}
			all = append(all, v)
		}
	}
	return all, nil
}

// Write puts all the records or none of them, in one transaction. Its token stays the same over all attempts: one that
// was carried out, and whose answer was lost, is answered again and not carried out twice.
func (l *Ledger) Write(ctx context.Context, w ledger.Writes) error {
	if err := w.Check(); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	items, err := l.writes(w)
	if err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	if len(items) == 0 {
		return nil
	}
	in := &dynamodb.TransactWriteItemsInput{TransactItems: items, ClientRequestToken: aws.String(rand.Text())}
	return l.explain(l.transact(ctx, in), l.tables.Meta, "writing records")
}

// A transaction that meets another on the same record is refused, and the SDK does not try again.
const conflictTries = 8

// transact runs a transaction until it is done, one of its conditions fails (ErrConflict), or it has met others so often
// that the caller had better wait (ErrThrottled).
func (l *Ledger) transact(ctx context.Context, in *dynamodb.TransactWriteItemsInput) error {
	unclear := false
	for try := range conflictTries {
		_, err := dynamo.Once(ctx, l.db.TransactWriteItems, in)
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return err
		}
		unclear = unclear || awsapi.Unclear(err)
		switch busy, err := reasons(err, cancelled); {
		case !busy:
			return err
		case try == conflictTries-1 && unclear:
			return err
		case try == conflictTries-1:
			return fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
		}
		if !dynamo.Rest(ctx, mathrand.N(20*time.Millisecond<<try)) {
			return ctx.Err()
		}
	}
	return nil
}

// reasons tells why a transaction was cancelled: busy, where the same one may succeed later, or the error that stands.
// A failed condition is no earlier attempt of the same transaction, whose token DynamoDB would have known.
func reasons(err error, cancelled *types.TransactionCanceledException) (busy bool, _ error) {
	for n, r := range cancelled.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "", "None":
		case "ConditionalCheckFailed":
			return false, fmt.Errorf("record %d: %w", n+1, ledger.ErrConflict)
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded":
			busy = true
		default:
			return false, fmt.Errorf("record %d: %s: %s: %w", n+1, aws.ToString(r.Code), aws.ToString(r.Message), err)
		}
	}
	return busy, err
}

// writes turns records into conditional puts.
func (l *Ledger) writes(w ledger.Writes) (items []types.TransactWriteItem, err error) {
	add := func(partition, name string, version int64, record any, readable item) {
		put, e := l.recordPut(partition, name, version, record, readable)
		err = errors.Join(err, e)
		items = append(items, types.TransactWriteItem{Put: put})
	}
	for _, p := range w.Protocols {
		add(protocolPartition, p.Name, p.Version, p, item{
			"epoch": dynamo.Count(p.Epoch), "complete": dynamo.Count(p.Complete), "building": dynamo.Count(p.Building), "serving": dynamo.Count(p.Serving),
			"previous": dynamo.Count(p.Previous), "CUTOFF_TS": dynamo.Moment(p.Cutoff), "replay": dynamo.Optional(p.Replay),
		})
	}
	for _, g := range w.Generations {
		add(generationPartition+g.Protocol, strconv.FormatInt(g.Number, 10), g.Version, g, item{
			"base": dynamo.Count(g.Base), "replay": dynamo.Optional(g.Replay), "hash": dynamo.Optional(g.Hash), "created": dynamo.Moment(g.Created),
		})
	}
	for _, r := range w.Replays {
		add(replayPartition, r.ID, r.Version, r, item{
			"state": dynamo.Optional(string(r.State)), "cutoff": dynamo.Moment(r.Cutoff), "created": dynamo.Moment(r.Created), "changed": dynamo.Moment(r.Changed),
		})
	}
	return items, err
}

// recordPut writes one record, if the one that is there has this version.
func (l *Ledger) recordPut(partition, name string, version int64, record any, i item) (*types.Put, error) {
	key, err := keyOf(partition, name)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", partition, name, err)
	}
	i = dynamo.Without(i)
	i[partitionKey], i[sortKey] = key[partitionKey], key[sortKey]
	i[recordAttribute], i[versionAttribute] = dynamo.Text(string(b)), dynamo.Number(version+1)
	if n := dynamo.Size(i); n > dynamo.MaxItem {
		return nil, fmt.Errorf("%s %s: a record of %d bytes, DynamoDB holds %d", partition, name, n, dynamo.MaxItem)
	}
	put := &types.Put{TableName: &l.tables.Meta, Item: i}
	if version == 0 {
		put.ConditionExpression = aws.String("attribute_not_exists(#pk)")
	} else {
		put.ConditionExpression = aws.String("#version = :version")
		put.ExpressionAttributeValues = item{":version": dynamo.Number(version)}
	}
	put.ExpressionAttributeNames = dynamo.NamesIn(*put.ConditionExpression)
	return put, nil
}
