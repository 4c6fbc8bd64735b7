package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// smallProtocols and smallLog are an archive whose rows anybody can check: a missing dimension beside an empty one, and
// an integer sum that no float holds.
const smallProtocols = `
  shop:
    format: json
    timestamp: ts
    stats:
      orders:
        by: [hour, country]
        measures: {orders: count, amount: sum(amount), price: max(price), prices: "histogram(price, 1, 2.5)", last: max(ts), buyers: distinct(buyer)}
`

const smallLog = `{"ts":"2026-03-01T10:00:00Z","country":"de","amount":9007199254740993,"price":0.5,"buyer":"a"}
{"ts":"2026-03-01T12:30:00.25+02:00","country":"de","amount":1,"price":2.5,"buyer":"b"}
{"ts":"2026-03-01T10:59:59Z","country":"","amount":-4,"buyer":"b"}

{"ts":"2026-03-01T10:05:00Z","country":null,"price":3}
{"ts":"2026-03-01T11:00:00Z","country":"at, \"vienna\"","amount":7,"buyer":"b"}
{"ts":"2026-03-01T11:0
{"ts":"2026-03-02T00:00:00.001Z","country":"de"}
`

const smallCutoff = "2026-03-02T00:00:00Z"

func smallSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, "", "", smallProtocols)
	s.put("logs/shop/1.log", []byte(smallLog))
	return s
}

// call is a command and how it must end. out and err are what the streams must hold; none: nothing at all.
type call struct {
	args  string
	codes []int
	out   []string
	err   []string
}

func (s *site) call(c call) {
	s.t.Helper()
	r := s.run(strings.Fields(c.args)...)
	if !slices.Contains(c.codes, r.code) {
		s.t.Errorf("reprise %s: exit code %d, want %d", c.args, r.code, c.codes)
	}
	for _, stream := range []struct {
		name, text string
		want       []string
	}{{"output", r.out, c.out}, {"error", r.err, c.err}} {
		if len(stream.want) == 0 && stream.text != "" {
			s.t.Errorf("reprise %s: standard %s has %q, want nothing", c.args, stream.name, stream.text)
		}
		for _, want := range stream.want {
			if !strings.Contains(stream.text, want) {
				s.t.Errorf("reprise %s: standard %s has %q, which lacks %q", c.args, stream.name, stream.text, want)
			}
		}
	}
}

const (
	done   = 0
	failed = 1
	usage  = 2
	check  = 3
)

func exit(codes ...int) []int { return codes }

// TestWrongUsage: what is wrong is told on standard error, with what to do, and standard output stays empty.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	s.write(filepath.Join(s.dir, "broken.yaml"), []byte("local: {dir: state}\nprotocols:\n  shop:\n    format: jsn\n    timestamp: ts\n    stats: {n: {measures: {n: count}}}\n"))
	s.write(filepath.Join(s.dir, "typo.yaml"), []byte("wroker: {slots: 1}\n"))
	s.write(filepath.Join(s.dir, "nowhere.yaml"), []byte("local: {dir: state2, archive: gone}\nprotocols:"+smallProtocols))
	s.write(filepath.Join(s.dir, "empty.yaml"), []byte("local: {dir: state3, archive: bare}\nprotocols:"+smallProtocols))
	if err := os.Mkdir(filepath.Join(s.dir, "bare"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, c := range []call{
		{"", exit(usage), nil, []string{"start"}},
		{"resurrect", exit(usage), nil, []string{"resurrect"}},
		{"start --nope", exit(usage), nil, []string{"--nope"}},
		{"stats shop", exit(usage), nil, []string{"<statistic>"}},
		{"stats shop orders --csv --json", exit(usage), nil, []string{"--csv", "--json"}},
		{"--config none.yaml status", exit(usage), nil, []string{"none.yaml", "reprise init", "--config"}},
		{"--config broken.yaml start", exit(usage), nil, []string{`broken.yaml:4:13: protocols.shop.format: "jsn" is not known; use one of json`, "> 4 |     format: jsn\n", "^"}},
		{"--config typo.yaml config check", exit(usage), nil, []string{"typo.yaml:1:1: ", "wroker", "worker"}},
		{"start --protocol nope", exit(usage), nil, []string{`"nope"`, "shop"}},
		{"start --cutoff yesterday", exit(usage), nil, []string{"--cutoff", `"yesterday"`, "2026-"}},
		{"status", exit(usage), nil, []string{"there is no replay yet", "reprise start"}},
		{"status nope", exit(usage), nil, []string{"nope"}},
		{"objects --state lost", exit(usage), nil, []string{`"lost"`, "failed"}},
		{"stats --generation=-1 shop orders", exit(usage), nil, []string{"--generation"}},
		{"--log-level loud status", exit(usage), nil, []string{"loud"}},
		{"init reprise.yaml", exit(usage), nil, []string{"reprise.yaml", "exists already"}},
		{"stats shop orders", exit(failed, usage), nil, []string{"shop", "never been replayed"}},
		{"--config nowhere.yaml start", exit(failed), nil, []string{"gone", "does not exist"}},
		{"--config empty.yaml start", exit(failed), nil, []string{"nothing to replay", "logs/", "archive.prefix"}},
	} {
		s.call(c)
	}
}

// TestUnfinished is the command line of a replay that nobody works on.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	r := s.run("start", "--cutoff", smallCutoff)
	if r.code != done || !regexp.MustCompile(`^[0-9A-Z]{26}\n$`).MatchString(r.out) || r.err != "" {
		t.Fatalf("start: exit code %d, output %q, error %q", r.code, r.out, r.err)
	}
	id := strings.TrimSpace(r.out)
	for _, c := range []call{
		{"start", exit(failed), nil, []string{"shop", id}},
		{"status", exit(done), []string{id, "RUNNING", "waits for", smallCutoff, "1 listed: 1 pending", "1 visible"}, nil},
		{"status " + id, exit(done), []string{id}, nil},
		{"status nope", exit(usage), nil, []string{"there is no replay nope"}},
		{"finish nope", exit(usage), nil, []string{"there is no replay nope"}},
		{"certify nope", exit(usage), nil, []string{"there is no replay nope"}},
		{"objects nope", exit(usage), nil, []string{"there is no replay nope"}},
		{"finish", exit(check), nil, []string{id, "held back"}},
		{"finish --accept-failed", exit(check), nil, []string{id}},
		{"certify", exit(check), []string{"fault: ", "RUNNING"}, []string{id, "do not close"}},
		{"certify --json", exit(check), []string{`"faults": [`, "RUNNING"}, []string{id}},
		{"stats shop orders", exit(failed, usage), nil, []string{"generation 1 is being built", id}},
		{"list", exit(done), []string{"shop", "RUNNING", id}, nil},
		{"objects --state pending", exit(done), []string{"PENDING", "logs/shop/1.log"}, nil},
		{"objects --state finished --state failed", exit(done), nil, nil},
	} {
		s.call(c)
	}
}

// TestFinished is the command line of a replay that is over: every form of its rows, to the letter.
func TestFinished(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	id := s.start("--cutoff", smallCutoff)
	if r := s.run("run", "--once"); r.code != done || r.out != "" {
		t.Fatalf("run --once: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	golden(t, s.must("stats", "shop", "orders", "--csv"), `hour,country,orders,amount,price,prices,last,buyers
2026-03-01T10:00:00Z,,1,,3,"[0,0,1]",2026-03-01T10:05:00Z,0
2026-03-01T10:00:00Z,,1,-4,,"[0,0,0]",2026-03-01T10:59:59Z,1
2026-03-01T10:00:00Z,de,2,9007199254740994,2.5,"[1,1,0]",2026-03-01T10:30:00.25Z,2
2026-03-01T11:00:00Z,"at, ""vienna""",1,7,,"[0,0,0]",2026-03-01T11:00:00Z,1
`)
	golden(t, s.must("stats", "shop", "orders", "--json"), `[
{"hour":"2026-03-01T10:00:00Z","country":null,"orders":1,"amount":null,"price":3,"prices":[0,0,1],"last":"2026-03-01T10:05:00Z","buyers":0},
{"hour":"2026-03-01T10:00:00Z","country":"","orders":1,"amount":-4,"price":null,"prices":[0,0,0],"last":"2026-03-01T10:59:59Z","buyers":1},
{"hour":"2026-03-01T10:00:00Z","country":"de","orders":2,"amount":9007199254740994,"price":2.5,"prices":[1,1,0],"last":"2026-03-01T10:30:00.25Z","buyers":2},
{"hour":"2026-03-01T11:00:00Z","country":"at, \"vienna\"","orders":1,"amount":7,"price":null,"prices":[0,0,0],"last":"2026-03-01T11:00:00Z","buyers":1}
]
`)
	golden(t, s.must("stats", "shop", "orders"), "@stats.txt")
	golden(t, s.must("objects"), "FINISHED             8  logs/shop/1.log  (1 rejected, such as line 6: json: a string is not closed)\n")
	for _, c := range []call{
		{"status", exit(done), []string{id, "FINISHED", "7 read: 5 counted, 1 after the cutoff, 1 rejected, 1 blank", "1 finished", "lines up to the cutoff count"}, nil},
		{"finish", exit(done), []string{id + " FINISHED\n"}, nil},
		{"certify", exit(done), []string{id, "1 listed = 1 finished + 0 left out", "the accounts close"}, nil},
		{"certify --objects", exit(done), []string{"7 lines read = 5 counted + 1 after the cutoff + 1 rejected; 1 blank"}, nil},
		{"stats shop orders --generation 1 --csv", exit(done), []string{"hour,country,"}, nil},
		{"stats shop orders --generation 2", exit(failed, usage), nil, []string{"generation 2"}},
		{"stats shop refunds", exit(failed, usage), nil, []string{"refunds"}},
		{"stats shops orders", exit(failed, usage), nil, []string{"shops"}},
		{"list", exit(done), []string{"shop", "FINISHED", id}, nil},
		{"version", exit(done), []string{"reprise ", "go1."}, nil},
		{"config check", exit(done), []string{"shop", "none"}, nil},
		{"--help", exit(done), []string{"certify", "--config"}, nil},
		{"init new.yaml", exit(done), nil, []string{"new.yaml"}},
		{"--config new.yaml config check", exit(done), []string{"dns"}, nil},
	} {
		s.call(c)
	}

	// The next replay fills a generation of its own; until it is over, readers read the first one.
	s.put("logs/shop/2.log", []byte(`{"ts":"2026-03-01T09:00:00Z","country":"fr"}`))
	s.start("--wait=false")
	if rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows; len(rows) != 4 {
		t.Errorf("%d rows are shown while the next generation is built", len(rows))
	}
	s.must("run", "--once")
	checkList(s, id)
	if rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows; len(rows) != 6 || rows[0][1] != "fr" {
		t.Errorf("the second replay has the rows %q", rows)
	}
	if rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv", "--generation", "1")).rows; len(rows) != 4 {
		t.Errorf("%d rows are left of the generation before", len(rows))
	}
}

// list is what the tests read of list --json.
type list struct {
	Protocols []struct {
		Name     string `json:"name"`
		Serving  int64  `json:"serving"`
		Previous int64  `json:"previous"`
		Building int64  `json:"building"`
	} `json:"protocols"`
	Replays []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"replays"`
}

// checkList: the second of two replays serves, the first one is still there.
func checkList(s *site, first string) {
	s.t.Helper()
	l := read[list](s, "list", "--json")
	if len(l.Protocols) != 1 || len(l.Replays) != 2 {
		s.t.Fatalf("list --json has %+v", l)
	}
	if p := l.Protocols[0]; p.Name != "shop" || p.Serving != 2 || p.Previous != 1 || p.Building != 0 {
		s.t.Errorf("list --json has the protocol %+v", p)
	}
	if r := l.Replays; r[1].ID != first || r[0].ID <= first || r[0].State != "FINISHED" || r[1].State != "FINISHED" {
		s.t.Errorf("list --json has the replays %+v, want the newest first", r)
	}
}

// golden compares output to the letter; what begins with @ is a file of testdata.
func golden(t *testing.T, got, want string) {
	t.Helper()
	if file, ok := strings.CutPrefix(want, "@"); ok {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		want = string(text)
	}
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
