package live

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

const protocol = "dns"

// site is a store that several processes have open.
type site struct {
	t    *testing.T
	path string
	l    ledger.Ledger
	e    entries.Entries
	puts int // entries so far: their positions in the feed count from 1
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, path: filepath.Join(t.TempDir(), "ledger.db")}
	s.l, s.e = s.open()
	return s
}

// open is what another process has of the store.
func (s *site) open() (ledger.Ledger, entries.Entries) {
	s.t.Helper()
	l, err := sqliteledger.Open(s.t.Context(), s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			s.t.Error(err)
		}
	})
	e, err := sqliteentries.Open(s.t.Context(), l)
	if err != nil {
		s.t.Fatal(err)
	}
	return l, e
}

// counter is a counter of this store.
func (s *site) counter() *Counter { return s.counterOf(s.l, s.e) }

func (s *site) counterOf(l ledger.Ledger, e entries.Entries) *Counter {
	s.t.Helper()
	c, err := New(Options{Ledger: l, Entries: e})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// add opens a generation; count says whether it is counted live from now on.
func (s *site) add(g ledger.Generation, d stats.Definition) {
	s.t.Helper()
	if g.Protocol == "" {
		g.Protocol = protocol
	}
	d.Protocol = g.Protocol
	g.Definition, g.Hash, g.Created = d.Encode(), d.Hash(), began
	s.change(g.Protocol, func(p *ledger.Protocol) []ledger.Generation {
		p.Epoch = g.Number
		p.Gens = append(p.Gens, g.Number)
		return []ledger.Generation{g}
	})
}

// drop takes a generation away from what is counted live.
func (s *site) drop(number int64) {
	s.t.Helper()
	s.change(protocol, func(p *ledger.Protocol) []ledger.Generation {
		p.Gens = slices.DeleteFunc(p.Gens, func(g int64) bool { return g == number })
		return nil
	})
}

func (s *site) change(name string, change func(*ledger.Protocol) []ledger.Generation) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	p, err := s.l.Protocol(ctx, name)
	if err != nil {
		s.t.Fatal(err)
	}
	generations := change(&p)
	if err := s.l.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}, Generations: generations}); err != nil {
		s.t.Fatal(err)
	}
}

// put puts lines in the incoming table and returns their entries.
func (s *site) put(lines []string) []entries.Entry { return s.putOf(protocol, lines) }

func (s *site) putOf(protocol string, lines []string) []entries.Entry {
	s.t.Helper()
	list := make([]entries.Entry, len(lines))
	for i, l := range lines {
		s.puts++
		list[i] = entries.Entry{ID: fmt.Sprintf("%06d", s.puts), Protocol: protocol, TS: began.Add(time.Duration(s.puts) * time.Millisecond), Line: []byte(l)}
	}
	for some := range slices.Chunk(list, entries.MaxPut) {
		if _, err := s.e.Put(s.t.Context(), some); err != nil {
			s.t.Fatal(err)
		}
	}
	return list
}

// table is the rows of a generation: statistic and dimensions to measures.
type table map[string]string

// rows reads a generation as a reader does, merged over the slots, with how many rows there were before.
func (s *site) rows(number int64) (merged table, stored int) { return s.rowsOf(protocol, number) }

func (s *site) rowsOf(protocol string, number int64) (merged table, stored int) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	g, err := s.l.Generation(ctx, protocol, number)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := stats.DecodeDefinition(g.Definition)
	if err != nil {
		s.t.Fatal(err)
	}
	program, err := stats.Compile(d)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := program.NewPartial()
	for _, statistic := range program.Statistics() {
		for r, err := range s.l.Rows(ctx, ledger.RowsParams{Protocol: protocol, Generation: number, Statistic: statistic}) {
			if err == nil {
				err = sum.MergeRow(r.Statistic, r.FullDims(), r.State)
			}
			if err != nil {
				s.t.Fatal(err)
			}
			stored++
		}
	}
	merged = table{}
	for r := range sum.Rows() {
		var dims []string
		for _, d := range r.Dims {
			if d.Null {
				dims = append(dims, "null")
			} else {
				dims = append(dims, "="+d.Text)
			}
		}
		merged[r.Statistic+"|"+strings.Join(dims, "|")] = strings.Join(r.Values(), " ")
	}
	return merged, stored
}

// wants fails the test unless the generation has these rows.
func (s *site) wants(number int64, want table) {
	s.t.Helper()
	got, _ := s.rows(number)
	compare(s.t, fmt.Sprintf("generation %d", number), got, want)
}

func compare(t *testing.T, what string, got, want table) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	wrong := 0
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: %s is %q, want %q", what, k, got[k], want[k])
			}
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: %s is %q, and should not be there", what, k, v)
			}
		}
	}
	t.Errorf("%s: %d of %d rows are wrong", what, wrong, len(want))
}

// marked fails the test unless every entry is counted in exactly these generations.
func (s *site) marked(list []entries.Entry, gens ...int64) {
	s.t.Helper()
	for _, e := range s.read(list) {
		if !e.Processed || !slices.Equal(e.Gens, gens) {
			s.t.Errorf("entry %s: processed %v, counted in %v; want %v", e.ID, e.Processed, e.Gens, gens)
			return
		}
	}
}

// read reads entries again, in their order.
func (s *site) read(list []entries.Entry) []entries.Entry {
	s.t.Helper()
	byID := map[string]entries.Entry{}
	for some := range slices.Chunk(list, entries.MaxRead) {
		ids := make([]string, len(some))
		for i, e := range some {
			ids[i] = e.ID
		}
		read, err := s.e.Read(context.WithoutCancel(s.t.Context()), ids)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range read {
			byID[e.ID] = e
		}
	}
	all := make([]entries.Entry, len(list))
	for i, e := range list {
		all[i] = byID[e.ID]
	}
	return all
}

// The lines of these tests, and a count of them that shares nothing with the code under test.

var began = time.Date(2018, 3, 24, 17, 0, 0, 0, time.UTC)

type record struct {
	TS    time.Time `json:"ts"`
	Qtype *string   `json:"qtype,omitempty"`
	Host  string    `json:"host"`
	Bytes int64     `json:"bytes"`
}

// makeLines generates n lines of that many hosts over two days; of fifty, one is bad, one blank and one null.
func makeLines(n, hosts int) []string {
	types := []string{"A", "AAAA", "MX", "TXT"}
	lines := make([]string, n)
	for i := range lines {
		r := record{TS: began.Add(time.Duration(i*37%3000) * time.Minute / 60), Host: fmt.Sprintf("h%04d", i%hosts), Bytes: int64(i*7919) % 1500}
		if i%2 == 1 {
			r.TS = r.TS.Add(24 * time.Hour)
		}
		if i%9 != 0 {
			r.Qtype = &types[i%len(types)]
		}
		b, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		switch i % 50 {
		case 7:
			b = b[:len(b)/2]
		case 13:
			b = nil
		case 21:
			b = []byte(`{"ts":null,"host":"h"}`)
		}
		lines[i] = string(b)
	}
	return lines
}

func first() stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{
			{Name: "queries", By: []string{"minute", "qtype"}, Measures: []stats.Measure{
				{Name: "queries", Func: "count"}, {Name: "bytes", Func: "sum(bytes)"}, {Name: "most", Func: "max(bytes)"},
			}},
			{Name: "hosts", By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}, {Name: "types", Func: "distinct(qtype)"}}},
		},
	}
}

func second() stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{{
			Name: "large", By: []string{"day", "host"}, Where: "bytes >= 700",
			Measures: []stats.Measure{{Name: "lines", Func: "count"}, {Name: "least", Func: "min(bytes)"}},
		}},
	}
}

// records are the lines that count.
func records(lines []string) []record {
	var all []record
	for _, l := range lines {
		var r record
		if l == "" || json.Unmarshal([]byte(l), &r) != nil || r.TS.IsZero() {
			continue
		}
		all = append(all, r)
	}
	return all
}

// countFirst is what the first definition gives.
func countFirst(lines []string) table {
	type sums struct{ count, bytes, most int64 }
	queries, hosts, types := map[string]*sums{}, map[string]int64{}, map[string]map[string]bool{}
	for _, r := range records(lines) {
		qtype := "null"
		if r.Qtype != nil {
			qtype = "=" + *r.Qtype
		}
		k := "queries|=" + r.TS.UTC().Truncate(time.Minute).Format(time.RFC3339) + "|" + qtype
		if queries[k] == nil {
			queries[k] = &sums{}
		}
		queries[k].count++
		queries[k].bytes += r.Bytes
		queries[k].most = max(queries[k].most, r.Bytes)
		hosts[r.Host]++
		if types[r.Host] == nil {
			types[r.Host] = map[string]bool{}
		}
		if r.Qtype != nil {
			types[r.Host][*r.Qtype] = true
		}
	}
	t := table{}
	for k, s := range queries {
		t[k] = fmt.Sprint(s.count, s.bytes, s.most)
	}
	for h, n := range hosts {
		t["hosts|="+h] = fmt.Sprint(n, len(types[h]))
	}
	return t
}

// countSecond is what the second definition gives.
func countSecond(lines []string) table {
	counts, least := map[string]int64{}, map[string]int64{}
	for _, r := range records(lines) {
		if r.Bytes < 700 {
			continue
		}
		k := "large|=" + r.TS.UTC().Truncate(24*time.Hour).Format(time.RFC3339) + "|=" + r.Host
		if counts[k] == 0 || r.Bytes < least[k] {
			least[k] = r.Bytes
		}
		counts[k]++
	}
	t := table{}
	for k, n := range counts {
		t[k] = strconv.FormatInt(n, 10) + " " + strconv.FormatInt(least[k], 10)
	}
	return t
}

// shuffled is a list in another order, with every fifth entry twice.
func shuffled(dice *rand.Rand, list []entries.Entry) []entries.Entry {
	all := slices.Clone(list)
	for i := 0; i < len(list); i += 5 {
		all = append(all, list[i])
	}
	dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func newDice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
}
