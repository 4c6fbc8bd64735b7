package dynamoledger

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// This file is for the driver of the entries, whose transactions span the incoming table, rows of live parts and the
// protocol's record in Meta: it makes their items as this package reads them.

// Tables are the names of the ledger's tables.
func (l *Ledger) Tables() Tables { return l.tables }

// VersionedRow is a row, its part, and the version that it was written under. Rows of a base have none.
type VersionedRow struct {
	Part string
	ledger.Row
	Version string
}

// RowKey is the key of a row in the Stats table.
func RowKey(part ledger.Part, statistic, day, key string) (dynamo.Item, error) {
	p := place{part.Protocol, part.Generation, statistic, part.Name, day}
	if err := p.check(); err != nil {
		return nil, err
	}
	i, err := keyOf(p.partition(), key)
	if err != nil {
		return nil, fmt.Errorf("statistic %s: %w", statistic, err)
	}
	return i, nil
}

// PutRow is the write of a row under a new version, if the one that is there has version old; "": if there is none.
func (l *Ledger) PutRow(part ledger.Part, row ledger.Row, old, version string) (types.TransactWriteItem, error) {
	p := place{part.Protocol, part.Generation, row.Statistic, part.Name, row.Day}
	if err := p.check(); err != nil {
		return types.TransactWriteItem{}, err
	}
	i, err := rowItem(p, &row)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	i[versionAttribute] = dynamo.Text(version)
	if n := dynamo.Size(i); n > dynamo.MaxItem {
		return types.TransactWriteItem{}, fmt.Errorf("statistic %s: a row of %d bytes with its version, DynamoDB holds %d", row.Statistic, n, dynamo.MaxItem)
	}
	put := &types.Put{TableName: &l.tables.Stats, Item: i}
	put.ConditionExpression, put.ExpressionAttributeNames, put.ExpressionAttributeValues = atVersion(old)
	return types.TransactWriteItem{Put: put}, nil
}

// RemoveRow is the removal of a row, if it has that version.
func (l *Ledger) RemoveRow(part ledger.Part, statistic, day, key, version string) (types.TransactWriteItem, error) {
	i, err := RowKey(part, statistic, day, key)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	remove := &types.Delete{TableName: &l.tables.Stats, Key: i}
	remove.ConditionExpression, remove.ExpressionAttributeNames, remove.ExpressionAttributeValues = atVersion(version)
	return types.TransactWriteItem{Delete: remove}, nil
}

// atVersion is the condition that a row has a version; "": that there is none.
func atVersion(version string) (condition *string, names map[string]string, values dynamo.Item) {
	if version == "" {
		const none = "attribute_not_exists(#pk)"
		return aws.String(none), dynamo.NamesIn(none), nil
	}
	const same = "#version = :version"
	return aws.String(same), dynamo.NamesIn(same), dynamo.Item{":version": dynamo.Text(version)}
}

// EpochIs is the condition that a protocol has that epoch. None has epoch 0: it has not begun.
func (l *Ledger) EpochIs(protocol string, epoch int64) (types.TransactWriteItem, error) {
	key, err := keyOf(protocolPartition, protocol)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	const same = "#epoch = :epoch"
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &l.tables.Meta, Key: key, ConditionExpression: aws.String(same), ExpressionAttributeNames: dynamo.NamesIn(same),
		ExpressionAttributeValues: dynamo.Item{":epoch": dynamo.Number(epoch)},
	}}, nil
}

// Enter puts the partitions of rows into the directory, before the first of them is written there. It does not wait for
// Options.WriteRate: that rate is there so that the live side has room.
func (l *Ledger) Enter(ctx context.Context, part ledger.Part, rows []ledger.Row) error {
	places := map[place]bool{}
	for n := range rows {
		places[place{part.Protocol, part.Generation, rows[n].Statistic, part.Name, rows[n].Day}] = true
	}
	return l.explain(l.enterNow(ctx, l.unknown(places)), l.tables.Stats, "entering partitions of %s, generation %d", part.Protocol, part.Generation)
}

// VersionedRows yields what Rows yields, with parts and versions.
func (l *Ledger) VersionedRows(ctx context.Context, p ledger.RowsParams) iter.Seq2[VersionedRow, error] {
	return func(yield func(VersionedRow, error) bool) {
		fail := func(err error) {
			yield(VersionedRow{}, l.explain(err, l.tables.Stats, "reading rows of %s, generation %d, %s", p.Protocol, p.Generation, p.Statistic))
		}
		places, err := l.placesOf(ctx, p)
		if err != nil {
			fail(err)
			return
		}
		list := func(yield func(*dynamodb.QueryInput) bool) {
			for _, at := range places {
				if !yield(query(l.tables.Stats, at.partition(), "")) {
					return
				}
			}
		}
		for page, err := range l.pages(ctx, queries, list) {
			if err != nil {
				fail(err)
				return
			}
			for _, i := range page {
				row, err := RowOf(i)
				if err != nil {
					fail(err)
					return
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// RowOf is the row of an item of the Stats table.
func RowOf(i dynamo.Item) (VersionedRow, error) {
	r := dynamo.Reader{Item: i}
	statistic, day, part := partsOf(r.Key(partitionKey))
	row := VersionedRow{
		Part: part, Version: r.Text(versionAttribute),
		Row: ledger.Row{
			Statistic: statistic, Day: day, Key: r.Key(sortKey),
			Dims: r.Bytes(dims), Measures: r.Bytes(measures), State: r.Bytes(stateOfRow),
		},
	}
	return row, r.Err
}
