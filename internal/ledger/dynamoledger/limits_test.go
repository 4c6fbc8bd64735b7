package dynamoledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestPages reads partitions of more than the 1 MiB that one answer holds.
func TestPages(t *testing.T) {
	t.Parallel()
	l := open(t, build(t))
	ctx := t.Context()
	const n = 50
	var list []ledger.Cursor
	for i := range n {
		c := object(ledger.FoldKey(1, i))
		c.Fold, c.Partial = true, make([]byte, ledger.MaxInline)
		list = append(list, c)
	}
	must(t, l.Insert(ctx, list))
	for _, partials := range []bool{true, false} {
		seen := map[string]int{}
		for c, err := range l.Scan(ctx, ledger.ScanParams{Replay: replay, Fold: 1, Partials: partials}) {
			must(t, err)
			seen[c.Key]++
			equal(t, c.Key, [2]int{seen[c.Key], len(c.Partial)}, [2]int{1, map[bool]int{true: ledger.MaxInline}[partials]})
		}
		equal(t, "parts", len(seen), n)
	}
	s, err := l.Summarize(ctx, replay)
	must(t, err)
	equal(t, "summary", s.Parts, map[int64]map[ledger.State]int64{1: {ledger.Pending: n}})

	var rows []ledger.Row
	for i := range n {
		rows = append(rows, ledger.Row{Statistic: "q", Day: "-", Key: fmt.Sprint(i), Measures: []byte("{}"), State: make([]byte, 64<<10)})
	}
	must(t, l.PutRows(ctx, live(0), rows))
	equal(t, "rows", len(read(t, l, "q", 0)), n)
	purged, err := l.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 1000)
	must(t, err)
	equal(t, "purged", purged, n)
}

func live(slot int) ledger.Part {
	return ledger.Part{Protocol: "dns", Generation: 7, Name: fmt.Sprint("live.", slot)}
}

func read(t *testing.T, l *dynamoledger.Ledger, statistic string, base int64) (rows []ledger.Row) {
	t.Helper()
	for r, err := range l.Rows(t.Context(), ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: statistic, Base: base}) {
		must(t, err)
		rows = append(rows, r)
	}
	return rows
}

// says checks an error for all the words.
func says(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the error does not say %q: %v", what, w, err)
		}
	}
}

// TestKeys refuses names that DynamoDB cannot hold, instead of holding others.
func TestKeys(t *testing.T) {
	t.Parallel()
	l := open(t, build(t))
	ctx := t.Context()
	must(t, l.Insert(ctx, []ledger.Cursor{object("a\ufffd")}))
	bad := object("a\xff")
	says(t, "Insert", l.Insert(ctx, []ledger.Cursor{object("good"), bad}), "UTF-8", `a\xff`)
	_, err := l.Cursor(ctx, bad.CursorID)
	says(t, "Cursor", err, "UTF-8")
	_, err = l.Claim(ctx, ledger.Claim{ID: bad.CursorID, Now: start, Until: start})
	says(t, "Claim", err, "UTF-8")
	says(t, "Commit", l.Commit(ctx, ledger.Commit{ID: bad.CursorID, State: ledger.Pending}), "UTF-8")
	says(t, "Note", l.Note(ctx, bad.CursorID, "x"), "UTF-8")
	says(t, "Insert", l.Insert(ctx, []ledger.Cursor{object(strings.Repeat("k", 1025))}), "1025", "1024")
	n := 0
	for c, err := range l.Scan(ctx, ledger.ScanParams{Replay: replay}) {
		must(t, err)
		equal(t, "cursor", c, object("a\ufffd"))
		n++
	}
	equal(t, "cursors", n, 1)
}

func TestRowLimits(t *testing.T) {
	t.Parallel()
	l := open(t, build(t))
	good := ledger.Row{Statistic: "q", Day: "-", Key: `["good"]`}
	for name, c := range map[string]struct {
		row   ledger.Row
		words []string
	}{
		"large":       {ledger.Row{Statistic: "rtt", Day: "-", Key: `["a"]`, State: make([]byte, 400<<10)}, []string{"rtt", `["a"]`, "409600"}},
		"a long key":  {ledger.Row{Statistic: "rtt", Day: "-", Key: strings.Repeat("k", 1025)}, []string{"rtt", "1025"}},
		"no key":      {ledger.Row{Statistic: "rtt", Day: "-"}, []string{"rtt", "empty"}},
		"no UTF-8":    {ledger.Row{Statistic: "rtt", Day: "-", Key: "\xff"}, []string{"rtt", "UTF-8"}},
		"a number":    {ledger.Row{Statistic: "r#t", Day: "-", Key: "[]"}, []string{"r#t", "#"}},
		"without day": {ledger.Row{Statistic: "rtt", Key: "[]"}, []string{"rtt", "empty"}},
	} {
		says(t, name, l.PutRows(t.Context(), live(0), []ledger.Row{good, c.row}), c.words...)
	}
	equal(t, "rows", len(read(t, l, "q", 0)), 0)
	large := ledger.Row{Statistic: "q", Day: "-", Key: `["large"]`, Dims: []byte(`["` + strings.Repeat("d", 150<<10) + `"]`), State: bytes.Repeat([]byte{0}, 240<<10)}
	odd := ledger.Row{Statistic: "q", Day: "2018-03-24", Key: `["odd"]`, Dims: []byte("\xff"), Measures: []byte("\xfe")}
	must(t, l.PutRows(t.Context(), live(0), []ledger.Row{large, odd}))
	got := read(t, l, "q", 0)
	slices.SortFunc(got, func(a, b ledger.Row) int { return strings.Compare(a.Key, b.Key) })
	equal(t, "rows", got, []ledger.Row{large, odd})
}

// TestRowsTwice puts one key many times in one call: the last one counts, in whatever order batches come.
func TestRowsTwice(t *testing.T) {
	t.Parallel()
	l := open(t, build(t))
	var rows []ledger.Row
	for i := range 500 {
		rows = append(rows, ledger.Row{Statistic: "q", Day: "-", Key: fmt.Sprint(i % 10), Measures: []byte(fmt.Sprint(i))})
	}
	must(t, l.PutRows(t.Context(), live(0), rows))
	got := map[string]string{}
	for _, r := range read(t, l, "q", 0) {
		got[r.Key] = string(r.Measures)
	}
	want := map[string]string{}
	for i := range 10 {
		want[fmt.Sprint(i)] = fmt.Sprint(490 + i)
	}
	equal(t, "rows", got, want)
}

// TestWriteRate: rows that the rate leaves no time for are not put, and the caller hears of it.
func TestWriteRate(t *testing.T) {
	t.Parallel()
	s := build(t)
	const slow = 1e-5 // one unit, and the next one in a day
	l, err := dynamoledger.Open(dynamoledger.Options{
		Client: database(t, ""), Tables: s.tables, S3: objects(t, ""), Bucket: s.bucket, WriteRate: slow,
	})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	row := ledger.Row{Statistic: "q", Day: "-", Key: "[]"}
	err = l.PutRows(ctx, live(0), []ledger.Row{row}) // the unit goes to the directory
	wantErr(t, err, context.DeadlineExceeded)
	equal(t, "rows", len(read(t, l, "q", 0)), 0)
	_, err = l.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 1)
	must(t, err)
	must(t, open(t, s).PutRows(ctx, live(0), []ledger.Row{row}))
	_, err = l.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 1)
	wantErr(t, err, context.DeadlineExceeded)
	equal(t, "rows", len(read(t, l, "q", 0)), 1)
	gone, stop := context.WithCancel(ctx)
	stop()
	wantErr(t, l.PutRows(gone, live(0), []ledger.Row{row}), context.Canceled)
}

// TestUnprocessed puts rows where DynamoDB leaves most of each batch undone.
func TestUnprocessed(t *testing.T) {
	t.Parallel()
	s := build(t)
	base := realservers.DynamoDB(t)
	var left atomic.Int64
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		undone := map[string][]json.RawMessage{}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchWriteItem") {
			var in struct{ RequestItems map[string][]json.RawMessage }
			_ = json.Unmarshal(body, &in)
			for table, list := range in.RequestItems {
				in.RequestItems[table], undone[table] = list[:(len(list)+2)/3], list[(len(list)+2)/3:]
				left.Add(int64(len(undone[table])))
				if len(undone[table]) == 0 {
					delete(undone, table)
				}
			}
			body, _ = json.Marshal(in)
		}
		out, _ := http.NewRequestWithContext(r.Context(), r.Method, base, bytes.NewReader(body))
		out.Header = r.Header.Clone()
		answer, err := transport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		if len(undone) > 0 && answer.StatusCode == http.StatusOK {
			text, _ = json.Marshal(map[string]any{"UnprocessedItems": undone})
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(text)
	}))
	t.Cleanup(proxy.Close)
	l := openAt(t, s, database(t, proxy.URL), objects(t, ""))
	var rows []ledger.Row
	for i := range 60 {
		rows = append(rows, ledger.Row{Statistic: "q", Day: "-", Key: fmt.Sprint(i)})
	}
	must(t, l.PutRows(t.Context(), live(0), rows))
	equal(t, "rows", len(read(t, l, "q", 0)), 60)
	n, err := l.Purge(t.Context(), ledger.PurgeParams{Protocol: "dns", Generation: 7}, 100)
	must(t, err)
	equal(t, "purged", n, 60)
	equal(t, "rows", len(read(t, l, "q", 0)), 0)
	if left.Load() < 40 {
		t.Errorf("only %d rows were left undone", left.Load())
	}
}

// TestTableContents looks at the tables as a person does: what is there to read, and what a purge leaves.
func TestTableContents(t *testing.T) {
	t.Parallel()
	s := build(t)
	db := database(t, "")
	l := open(t, s)
	ctx := t.Context()
	contents := func(table string) (list []map[string]types.AttributeValue) {
		out, err := db.Scan(ctx, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
		must(t, err)
		return out.Items
	}
	text := func(v types.AttributeValue) string {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			return v.Value
		case *types.AttributeValueMemberN:
			return v.Value
		}
		return ""
	}
	must(t, l.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{{Name: "dns", Epoch: 7, Serving: 6, Building: 7, Cutoff: start}}}))
	p := contents(s.tables.Meta)[0]
	equal(t, "protocol", []string{text(p["pk"]), text(p["sk"]), text(p["epoch"]), text(p["serving"]), text(p["building"]), text(p["CUTOFF_TS"])},
		[]string{"protocol", "dns", "7", "6", "7", "2026-03-24T12:00:00.123456789Z"})

	must(t, l.PutProgress(ctx, ledger.Progress{Replay: replay, Worker: "w", At: start}))
	_, err := l.AcquireLease(ctx, ledger.Lease{Name: "watch", Owner: "a", Until: start}, start)
	must(t, err)
	for _, i := range contents(s.tables.Meta) {
		if kind := text(i["pk"]); (text(i["expires"]) != "") != (kind != "protocol") {
			t.Errorf("%s expires %q", kind, text(i["expires"]))
		}
	}

	c := object("dns/a.gz")
	c.Counted, c.Partial = 5, []byte("x")
	must(t, l.Insert(ctx, []ledger.Cursor{c}))
	i := contents(s.tables.Cursors)[0]
	equal(t, "cursor", []string{text(i["sk"]), text(i["state"]), text(i["counted"]), text(i["etag"]), text(i["state_change"])},
		[]string{"dns/a.gz", "PENDING", "5", "e1", "2026-03-24T12:00:00.123456789Z"})

	row := ledger.Row{Statistic: "q", Day: "2018-03-24", Key: `["A"]`, Dims: []byte(`["A"]`), Measures: []byte(`{"n":1}`), State: []byte{1}}
	must(t, l.PutRows(ctx, live(0), []ledger.Row{row}))
	var partitions []string
	for _, i := range contents(s.tables.Stats) {
		partitions = append(partitions, text(i["pk"])+" "+text(i["sk"])+" "+text(i["dims"])+" "+text(i["measures"]))
	}
	slices.Sort(partitions)
	equal(t, "rows", partitions, []string{"dns#7 q#live.0#2018-03-24  ", `dns#7#q#2018-03-24#live.0 ["A"] ["A"] {"n":1}`})
	_, err = l.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 10)
	must(t, err)
	equal(t, "what a purge leaves", len(contents(s.tables.Stats)), 0)
	must(t, l.PutRows(ctx, live(0), []ledger.Row{row})) // the directory is known to be empty again
	equal(t, "rows", len(read(t, l, "q", 0)), 1)
}
