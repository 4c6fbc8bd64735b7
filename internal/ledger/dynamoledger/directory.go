package dynamoledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// The rows of a statistic lie in one partition for each day and part, so that neither a hot day nor a large statistic is
// one partition's load. Which there are is written down in the directory, in the same table and before the first row.
// pk = <protocol>#<generation>, sk = <statistic>#<part>#<day>. No name has a # in it.

// place is a partition of rows.
type place struct {
	protocol   string
	generation int64
	statistic  string
	part       string
	day        string
}

func (p place) partition() string {
	return fmt.Sprintf("%s#%d#%s#%s#%s", p.protocol, p.generation, p.statistic, p.day, p.part)
}

// partsOf are the statistic, the day and the part in the name of a partition.
func partsOf(partition string) (statistic, day, part string) {
	fields := strings.SplitN(partition, "#", 5)
	if len(fields) < 5 {
		return "", "", ""
	}
	return fields[2], fields[3], fields[4]
}

func directory(protocol string, generation int64) string {
	return fmt.Sprintf("%s#%d", protocol, generation)
}

func (p place) entry() string { return p.statistic + "#" + p.part + "#" + p.day }

// check refuses names that could be taken for others.
func (p place) check() error {
	for _, name := range []string{p.protocol, p.statistic, p.part, p.day} {
		if name == "" || strings.Contains(name, "#") {
			return fmt.Errorf("rows of protocol %q, statistic %q, part %q, day %q: a name is empty or has a #", p.protocol, p.statistic, p.part, p.day)
		}
	}
	_, err := keyOf(p.partition(), p.entry())
	return err
}

// placeOf is the partition that an entry of a directory tells of.
func placeOf(protocol string, generation int64, entry string) (place, error) {
	fields := strings.Split(entry, "#")
	if len(fields) != 3 {
		return place{}, fmt.Errorf("%q is no entry of the directory of %s, generation %d", entry, protocol, generation)
	}
	return place{protocol, generation, fields[0], fields[1], fields[2]}, nil
}

// A place that this process entered is entered again after rememberFor, so that one which a purge has taken out
// meanwhile, under a writer that is late, is found by the next purge. More than maxKnown are not remembered.
const (
	rememberFor = time.Minute
	maxKnown    = 50_000
)

// enter puts places into the directory, no faster than Options.WriteRate.
func (l *Ledger) enter(ctx context.Context, places map[place]bool) error {
	fresh := l.unknown(places)
	if err := l.spend(ctx, len(fresh)); err != nil {
		return err
	}
	return l.enterNow(ctx, fresh)
}

// unknown are the places that this process has not entered of late.
func (l *Ledger) unknown(places map[place]bool) (fresh []place) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range places {
		if at, ok := l.known[p]; !ok || now.Sub(at) > rememberFor {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

func (l *Ledger) enterNow(ctx context.Context, fresh []place) error {
	now := time.Now()
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(batches)
	for _, p := range fresh {
		group.Go(func() error {
			key, err := keyOf(directory(p.protocol, p.generation), p.entry())
			if err != nil {
				return err
			}
			_, err = dynamo.Call(inner, l.db.PutItem, &dynamodb.PutItemInput{TableName: &l.tables.Stats, Item: key})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known)+len(fresh) > maxKnown {
		clear(l.known)
	}
	for _, p := range fresh {
		l.known[p] = now
	}
	return nil
}

// leave takes a partition without rows out of the directory.
func (l *Ledger) leave(ctx context.Context, p place) error {
	l.mu.Lock()
	delete(l.known, p)
	l.mu.Unlock()
	key, err := keyOf(directory(p.protocol, p.generation), p.entry())
	if err != nil {
		return err
	}
	_, err = dynamo.Call(ctx, l.db.DeleteItem, &dynamodb.DeleteItemInput{TableName: &l.tables.Stats, Key: key})
	return err
}

// placesOf are the partitions of one statistic that readers of a base read.
func (l *Ledger) placesOf(ctx context.Context, p ledger.RowsParams) (list []place, _ error) {
	prefixes := []string{p.Statistic + "#live."}
	if p.Base != 0 {
		prefixes = append(prefixes, fmt.Sprintf("%s#base.%d.", p.Statistic, p.Base))
	}
	for _, prefix := range prefixes {
		for page, err := range l.partition(ctx, l.tables.Stats, directory(p.Protocol, p.Generation), prefix) {
			if err != nil {
				return nil, err
			}
			for _, i := range page {
				at, err := placeOf(p.Protocol, p.Generation, (&dynamo.Reader{Item: i}).Key(sortKey))
				if err != nil {
					return nil, err
				}
				list = append(list, at)
			}
		}
	}
	return list, nil
}
