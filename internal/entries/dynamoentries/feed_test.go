package dynamoentries_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
)

var start = time.Date(2026, 3, 24, 12, 0, 0, 123456789, time.UTC)

func entry(id string) entries.Entry {
	return entries.Entry{ID: id, Protocol: "dns", TS: start, Line: []byte("line of " + id)}
}

// numbered are n entries in order of their ids.
func numbered(n int) []entries.Entry {
	list := make([]entries.Entry, n)
	for i := range list {
		list[i] = entry(fmt.Sprintf("k%04d", i))
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// says checks that an error names things.
func says(t testing.TB, what string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q does not name %s", what, err, part)
		}
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// inOrder puts entries one after the other: so do their records come.
func inOrder(t *testing.T, e *dynamoentries.Entries, list []entries.Entry) {
	t.Helper()
	for _, one := range list {
		there, err := e.Put(t.Context(), []entries.Entry{one})
		must(t, err)
		equal(t, "there", there, 0)
	}
}

func names(list []entries.Entry) []string {
	found := make([]string, len(list))
	for i := range list {
		found[i] = list[i].ID
	}
	return found
}

// read reads a shard from a position as far as there is something, at most so many reads.
func read(t *testing.T, e *dynamoentries.Entries, shard, position string, limit, reads int) (list []entries.Entry, next string, closed bool) {
	t.Helper()
	for range reads {
		r, err := e.Feed(t.Context(), shard, position, limit)
		must(t, err)
		equal(t, "bad records", r.Bad, []string(nil))
		list, position = append(list, r.Entries...), r.Next
		if r.Closed || !r.More {
			return list, position, r.Closed
		}
	}
	return list, position, false
}

// fronted opens a store whose stream is behind a front.
func fronted(t *testing.T) (*shardFront, *dynamoentries.Entries) {
	t.Helper()
	f := &shardFront{}
	_, e := open(t, build(t), f.serve(t))
	return f, e
}

// positions are the positions after each of the records of a shard.
func positions(t *testing.T, e *dynamoentries.Entries, n int) (list []string) {
	t.Helper()
	position := ""
	for range n {
		r, err := e.Feed(t.Context(), parentShard, position, 1)
		must(t, err)
		equal(t, "records", len(r.Entries), 1)
		position = r.Next
		list = append(list, position)
	}
	return list
}

// TestSplit: a shard that ends and goes on in two, read by a process that is replaced in the middle.
func TestSplit(t *testing.T) {
	t.Parallel()
	f, e := fronted(t)
	list := numbered(40)
	inOrder(t, e, list)
	shards, err := e.Shards(t.Context())
	must(t, err)
	equal(t, "shards", shards, []entries.Shard{{ID: parentShard}})
	at := positions(t, e, 20)
	f.set(func() { f.split = at[14] })

	shards, err = e.Shards(t.Context())
	must(t, err)
	equal(t, "the first shard", shards[0], entries.Shard{ID: parentShard})
	equal(t, "shards", len(shards), 3)
	for _, s := range shards[1:] {
		equal(t, "parent of "+s.ID, s.Parent, parentShard)
	}
	first, position, closed := read(t, e, parentShard, "", 4, 2)
	equal(t, "closed", closed, false)
	rest, _, closed := read(t, e, parentShard, position, 4, 100)
	equal(t, "closed", closed, true)
	equal(t, "records of the parent", append(first, rest...), list[:15])

	var children []string
	for _, s := range shards[1:] {
		found, _, closed := read(t, e, s.ID, "", 4, 100)
		equal(t, "closed", closed, false)
		if !slices.IsSorted(names(found)) || len(found) == 0 {
			t.Errorf("records of %s: %q", s.ID, names(found))
		}
		children = append(children, names(found)...)
	}
	slices.Sort(children)
	equal(t, "records of the children", children, names(list[15:]))
}

// TestAgain: an old position gives what came after it once more.
func TestAgain(t *testing.T) {
	t.Parallel()
	f, e := fronted(t)
	list := numbered(12)
	inOrder(t, e, list)
	at := positions(t, e, 12)
	for n, position := range at {
		found, _, _ := read(t, e, parentShard, position, 5, 100)
		equal(t, "records after "+position, names(found), names(list[n+1:]))
	}
	// Who reads on where the last read has ended needs no new iterator.
	found, position, _ := read(t, e, parentShard, "", 1000, 1)
	equal(t, "records", len(found), 12)
	f.set(func() { f.renewed = 0 })
	for range 3 {
		_, position, _ = read(t, e, parentShard, position, 1000, 1)
	}
	inOrder(t, e, []entries.Entry{entry("later")})
	found, _, _ = read(t, e, parentShard, position, 1000, 100)
	equal(t, "records that came later", names(found), []string{"later"})
	f.set(func() { equal(t, "new iterators", f.renewed, 0) })
}

// TestExpired: iterators that have expired, at any place, cost nothing but a new one.
func TestExpired(t *testing.T) {
	t.Parallel()
	f, e := fronted(t)
	list := numbered(12)
	inOrder(t, e, list)
	var found []entries.Entry
	position := ""
	for range 14 {
		r, err := e.Feed(t.Context(), parentShard, position, 1)
		must(t, err)
		found, position = append(found, r.Entries...), r.Next
		f.set(func() { f.minted++ })
	}
	equal(t, "records", names(found), names(list))
}

// TestTrimmed: a position that the stream has forgotten is told; the oldest one goes on, and the index shows what was missed.
func TestTrimmed(t *testing.T) {
	t.Parallel()
	f, e := fronted(t)
	list := numbered(12)
	inOrder(t, e, list)
	at := positions(t, e, 12)
	_, _, _ = read(t, e, parentShard, at[2], 2, 1) // leaves an iterator before the end that is trimmed
	f.set(func() { f.oldest = at[7] })
	for _, position := range at[:7] {
		_, err := e.Feed(t.Context(), parentShard, position, 2)
		wantErr(t, err, entries.ErrTrimmed)
	}
	found, _, _ := read(t, e, parentShard, at[7], 2, 100)
	equal(t, "records after one that is left", names(found), names(list[8:]))
	found, _, _ = read(t, e, parentShard, "", 2, 100)
	equal(t, "records from the oldest on", names(found), names(list[7:]))
	seen := map[string]bool{}
	for u, err := range e.Unfinished(t.Context(), "dns") {
		must(t, err)
		seen[u.ID] = true
	}
	equal(t, "entries that the index shows", len(seen), 12)

	// A shard that is gone as a whole.
	for _, position := range []string{"", at[3]} {
		_, err := e.Feed(t.Context(), leftShard, position, 2)
		wantErr(t, err, entries.ErrTrimmed)
	}
}

// TestStreamAnew: a stream that was turned off can still be read for a day, but the one that was turned on since is the table's.
func TestStreamAnew(t *testing.T) {
	t.Parallel()
	s, f := build(t), &shardFront{status: "ENABLED"}
	_, e := open(t, s, f.serve(t))
	db := database(t, "")
	_, err := e.Shards(t.Context())
	must(t, err)
	var before, now string
	f.set(func() { before = f.arn })
	for _, on := range []bool{false, true} {
		spec := &types.StreamSpecification{StreamEnabled: aws.Bool(on)}
		if on {
			spec.StreamViewType = types.StreamViewTypeNewImage
		}
		_, err := db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &s.table, StreamSpecification: spec})
		must(t, err)
	}
	f.set(func() { f.status = "DISABLED" }) // as DynamoDB shows the old one
	for range 2 {
		_, err = e.Shards(t.Context())
		must(t, err)
	}
	table, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &s.table})
	must(t, err)
	f.set(func() { now = f.arn })
	if latest := aws.ToString(table.Table.LatestStreamArn); now != latest || now == before {
		t.Errorf("the shards are those of %s, and the table's stream is %s, and was %s", now, latest, before)
	}
}

// TestGaps: answers without records before the end are gone through by iterators, whose position stays.
func TestGaps(t *testing.T) {
	t.Parallel()
	f, e := fronted(t)
	list := numbered(6)
	inOrder(t, e, list)
	f.set(func() { f.empty = 3 })
	_, err := e.Shards(t.Context())
	must(t, err)
	for _, ended := range []bool{false, true} {
		var found []entries.Entry
		position, reads := "", 0
		for closed := false; len(found) < 6 && !closed; reads++ {
			r, err := e.Feed(t.Context(), parentShard, position, 2)
			must(t, err)
			if len(r.Entries) == 0 {
				equal(t, "position after no records", r.Next, position)
				equal(t, "whether there is more in a shard that has ended", r.More || r.Closed, ended)
			}
			found, position, closed = append(found, r.Entries...), r.Next, r.Closed
			if reads > 100 {
				t.Fatal("the same answer came again and again")
			}
		}
		equal(t, "records", names(found), names(list))
		equal(t, "reads", reads, 12)
		f.set(func() { f.split = position })
		_, err := e.Shards(t.Context())
		must(t, err)
	}
}

// foreign puts an item as another program would, without any check.
func foreign(t *testing.T, s site, item map[string]types.AttributeValue) {
	t.Helper()
	_, err := database(t, "").PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.table, Item: item})
	must(t, err)
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// oddItems are items that are no entry, by what is wrong.
func oddItems() map[string]map[string]types.AttributeValue {
	good := func(change func(map[string]types.AttributeValue)) map[string]types.AttributeValue {
		i := map[string]types.AttributeValue{"protocol": text("dns"), "ts": text("2026-03-24T12:00:00Z"), "line": text("x"), "todo": text("dns#00")}
		change(i)
		return i
	}
	list := &types.AttributeValueMemberL{}
	return map[string]map[string]types.AttributeValue{
		"no protocol":  good(func(i map[string]types.AttributeValue) { delete(i, "protocol") }),
		"no line":      good(func(i map[string]types.AttributeValue) { delete(i, "line") }),
		"line":         good(func(i map[string]types.AttributeValue) { i["line"] = list }),
		"gens":         good(func(i map[string]types.AttributeValue) { i["gens"] = list }),
		"PROCESSED":    good(func(i map[string]types.AttributeValue) { i["PROCESSED"] = text("TRUE") }),
		"batch":        good(func(i map[string]types.AttributeValue) { i["batch"] = list }),
		"394000 bytes": good(func(i map[string]types.AttributeValue) { i["line"] = text(strings.Repeat("x", 394_000)) }),
		"protocol (a set)": good(func(i map[string]types.AttributeValue) {
			i["protocol"] = &types.AttributeValueMemberSS{Value: []string{"a"}}
		}),
	}
}

// TestForeign: what other programs put. What is no entry is named once and harms nobody; what lacks its time or its place in the
// index is counted and found like any other.
func TestForeign(t *testing.T) {
	t.Parallel()
	s := build(t)
	_, e := open(t, s, "")
	odd := oddItems()
	var ids []string
	for what, item := range odd {
		item["id"] = text("odd: " + what)
		ids = append(ids, "odd: "+what)
		foreign(t, s, item)
	}
	foreign(t, s, map[string]types.AttributeValue{"id": text("batch#x"), "open": text("own")})
	foreign(t, s, map[string]types.AttributeValue{"id": text("bare"), "protocol": text("dns"), "line": text("a\nb\n")})
	foreign(t, s, map[string]types.AttributeValue{
		"id": text("misplaced"), "protocol": text("dns"), "line": &types.AttributeValueMemberB{Value: []byte{0xff}}, "ts": text("yesterday"), "todo": text("dns"),
	})
	shards, err := e.Shards(t.Context())
	must(t, err)
	var found []entries.Entry
	var bad []string
	position := ""
	for more := true; more; {
		r, err := e.Feed(t.Context(), shards[0].ID, position, 3)
		must(t, err)
		found, bad, position, more = append(found, r.Entries...), append(bad, r.Bad...), r.Next, r.More
	}
	equal(t, "entries", found, []entries.Entry{
		{ID: "bare", Protocol: "dns", Line: []byte("a\nb\n")}, {ID: "misplaced", Protocol: "dns", Line: []byte{0xff}},
	})
	equal(t, "bad records", len(bad), len(odd))
	for what := range odd {
		name, _, _ := strings.Cut(what, " (")
		if !slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, name) }) {
			t.Errorf("bad records %q, none of which says %q", bad, name)
		}
	}
	got, err := e.Read(t.Context(), append(ids, "bare", "batch#x"))
	must(t, err)
	equal(t, "entries that can be read", names(got), []string{"bare"})

	part := part(7, 0)
	must(t, e.Count(t.Context(), entries.Count{Part: part, Entries: []entries.Counted{{ID: "bare", Error: strings.Repeat("é", 5000)}, {ID: "misplaced"}}}))
	seen := map[string]bool{}
	for u, err := range e.Unfinished(t.Context(), "dns") {
		must(t, err)
		seen[u.ID] = u.Processed
	}
	if !seen["bare"] || !seen["misplaced"] {
		t.Errorf("the index shows %v", seen)
	}
	got, err = e.Read(t.Context(), []string{"bare"})
	must(t, err)
	if n := len(got[0].Error); n < 1000 || n > 1024 || strings.Trim(got[0].Error, "é") != "" {
		t.Errorf("%d bytes of a long reason are kept: %q", n, got[0].Error[max(n-4, 0):])
	}
	if age := time.Since(got[0].TS); age < 0 || age > time.Hour {
		t.Errorf("an entry without a time has %s", got[0].TS)
	}
}

// lambda is an event as the service hands it to a function.
const lambda = `{"Records": [
 {"eventID": "1", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "111", "ApproximateCreationDateTime": 1774353600, "NewImage": {
  "id": {"S": "a"}, "protocol": {"S": "dns"}, "ts": {"S": "2026-03-24T12:00:00.5+01:00"}, "line": {"S": "{\"n\":1}"}, "todo": {"S": "dns#01"}, "more": {"M": {"x": {"N": "1"}}}}}},
 {"eventID": "2", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "112", "NewImage": {
  "id": {"S": "b"}, "protocol": {"S": "dns"}, "line": {"B": "/wA="}, "PROCESSED": {"BOOL": true}, "gens": {"NS": ["12", "3"]}}}},
 {"eventID": "3", "eventName": "MODIFY", "dynamodb": {"SequenceNumber": "113", "NewImage": {"id": {"S": "c"}, "protocol": {"S": "dns"}, "line": {"S": "x"}}}},
 {"eventID": "4", "eventName": "REMOVE", "dynamodb": {"SequenceNumber": "114", "Keys": {"id": {"S": "d"}}}},
 {"eventID": "5", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "115", "NewImage": {"id": {"S": "batch#B1"}, "state": {"S": "OPEN"}}}},
 {"eventID": "6", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "116", "NewImage": {"id": {"S": "e"}, "protocol": {"S": "dns"}, "line": {"N": "5"}}}},
 {"eventID": "7", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "117", "Keys": {"id": {"S": "f"}}}},
 {"eventID": "8", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "118", "NewImage": {
  "id": {"S": "batch-7-line-1"}, "protocol": {"S": "dns"}, "line": {"S": "x"}}}}
]}`

func TestFromLambda(t *testing.T) {
	t.Parallel()
	var event events.DynamoDBEvent
	must(t, json.Unmarshal([]byte(lambda), &event))
	var found []entries.Entry
	var bad []string
	for _, r := range event.Records {
		one, ok, err := dynamoentries.FromLambda(r)
		if err != nil {
			bad = append(bad, err.Error())
		}
		if ok {
			found = append(found, one)
		}
	}
	equal(t, "entries", found, []entries.Entry{
		{ID: "a", Protocol: "dns", TS: time.Date(2026, 3, 24, 11, 0, 0, 500_000_000, time.UTC), Line: []byte(`{"n":1}`)},
		{ID: "b", Protocol: "dns", Line: []byte{0xff, 0}, Processed: true, Gens: []int64{3, 12}},
	})
	equal(t, "bad records", len(bad), 3)
	says(t, "a line of a wrong type", errors.New(bad[0]), "116", "line")
	says(t, "no new image", errors.New(bad[1]), "117", "NEW_IMAGE")
	says(t, "an id that no entry may have", errors.New(bad[2]), "118", "batch-7-line-1", "begin with")
}
