package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// refused runs a command that must end by itself with this exit code, nothing on standard output, and one clear line on
// standard error that holds all of these; lines that show the place in a file may follow.
func (s *site) refused(args string, code int, wants ...string) {
	s.t.Helper()
	var out bytes.Buffer
	p := s.daemonTo(&out, strings.Fields(args)...) // not run: a worker that is not refused would never end
	got := p.wait()
	first, rest, _ := strings.Cut(strings.TrimSuffix(p.err.String(), "\n"), "\n")
	if got != code || out.Len() > 0 {
		s.t.Errorf("reprise %s: exit code %d, want %d, and standard output has %q", args, got, code, out.String())
	}
	if !strings.HasPrefix(first, "reprise: ") || strings.Count(first, "opening the ledger") > 1 {
		s.t.Errorf("reprise %s: the first line of the error is %q", args, first)
	}
	for _, want := range wants {
		if !strings.Contains(first, want) {
			s.t.Errorf("reprise %s: the error is %q, which lacks %q", args, first, want)
		}
	}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "> ") {
			s.t.Errorf("reprise %s: the error goes on with %q", args, line)
		}
	}
}

// goesOn: whatever was refused before has lost nothing and begun nothing. The archive of smallSite is replayed to its end
// now, by a replay that was open before, or else by the first one.
func (s *site) goesOn(config string) {
	s.t.Helper()
	if len(read[list](s, "--config", config, "list", "--json").Replays) == 0 {
		s.must("--config", config, "start", "--cutoff", smallCutoff)
	}
	s.must("--config", config, "run", "--once")
	golden(s.t, s.must("--config", config, "stats", "shop", "orders"), "@stats.txt")
	if l := read[list](s, "--config", config, "list", "--json"); len(l.Replays) != 1 {
		s.t.Errorf("%d replays are there: %+v", len(l.Replays), l.Replays)
	}
}

// TestBadConfiguration: what is wrong with a file is one error with its place and its key, and nothing is begun with it.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	text, err := os.ReadFile(filepath.Join(s.dir, "reprise.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	again := "\n      orders:\n        measures: {n: count}\n"
	for i, test := range []struct {
		old, new string // in the file
		wants    []string
	}{
		{"worker: {}", "wroker: {}", []string{`unknown key "wroker"; did you mean worker?`}},
		{"worker: {}", "worker: {slost: 1}", []string{"worker: ", `unknown key "slost"; did you mean slots?`}},
		{"worker: {}", "worker: {slots: 0}", []string{"worker.slots: ", "out of range"}},
		{"worker: {}", "worker: {slots: many}", []string{"worker.slots: ", "whole number"}},
		{"worker: {}", "worker: {visibility_timeout: 20s}", []string{"reserve", "visibility_timeout (20s)"}},
		{"worker: {}", `worker: {drain: "25s}`, []string{"this is no YAML"}},
		{"worker: {}", "\tworker: {}", []string{"this is no YAML", "spaces"}},
		{"worker: {}", "archive: {prefix: logs}", []string{"archive.prefix: ", `write "logs/"`}},
		{"worker: {}", "archive: {layout: '{protokol}/{rest}'}", []string{"archive.layout: ", "protokol"}},
		{"worker: {}", "backend: cloud", []string{"backend: ", `"cloud" is not known; use one of local, aws`}},
		{"format: json", "format: jsn", []string{"protocols.shop.format: ", `"jsn" is not known; use one of json`}},
		{"timestamp: ts", "timestamp: ts\n    layout: unix_mss", []string{"protocols.shop.layout: ", "unix_mss"}},
		{"timestamp: ts", "timestmp: ts", []string{"protocols.shop: ", `unknown key "timestmp"; did you mean timestamp?`}},
		{"sum(amount)", "summ(amount)", []string{"protocols.shop.stats.orders.measures.amount: ", "there is no function summ; did you mean sum?"}},
		{"sum(amount)", "sum(amount", []string{"protocols.shop.stats.orders.measures.amount: ", "parenthesis is missing"}},
		{"sum(amount)", "sum()", []string{"protocols.shop.stats.orders.measures.amount: "}},
		{"by: [hour, country]", "where: amout(price) > 1", []string{"protocols.shop.stats.orders.where: ", "amout"}},
		{"last: max(ts)", "price: max(ts)", []string{"protocols.shop.stats.orders.measures.price: is here twice, first in line "}},
		{"distinct(buyer)}\n", "distinct(buyer)}" + again, []string{"protocols.shop.stats.orders: is here twice, first in line "}},
		{"local: ", "live: {slots: 0}\nlocal: ", []string{"live.slots: ", "out of range"}},
		{"local: ", "live: on\nlocal: ", []string{"live: ", "write none, or a map"}},
	} {
		bad := strings.Replace(string(text), test.old, test.new, 1)
		if bad == string(text) {
			t.Fatalf("case %d: %q is not in\n%s", i, test.old, text)
		}
		s.write(filepath.Join(s.dir, "bad.yaml"), []byte(bad))
		// The line is that of what is new, or the one after, where an open quote ends.
		wants := slices.Concat(test.wants, []string{"bad.yaml:"})
		for _, command := range []string{"config check", "start", "work"} {
			s.refused("--config bad.yaml "+command, usage, wants...)
		}
	}
	s.write(filepath.Join(s.dir, "empty.yaml"), nil)
	s.refused("--config empty.yaml start", usage, "empty.yaml", "protocols: there is none", "reprise init")
	s.refused("--config none.yaml start", usage, "none.yaml", "no such file", "reprise init", "--config")
	s.refused("--config archive start", usage, "archive", "is a directory")
	s.goesOn("reprise.yaml")
}

// TestBadPlaces: places that are not there, or are something else than they should be, are one error that names the key
// or the file. Put right, everything is as before.
func TestBadPlaces(t *testing.T) {
	t.Parallel()
	notDatabase := []byte(strings.Repeat("this is a note about logs\n", 100))
	for name, test := range map[string]struct {
		breaks func(s *site) (mend string) // what to remove
		wants  []string
		runs   bool // a worker finds nothing wrong with it
	}{
		"archive missing": {func(s *site) string {
			s.move("archive", "elsewhere")
			return ""
		}, []string{"local.archive", "archive does not exist", "create it"}, false},
		"archive is a file": {func(s *site) string {
			s.move("archive", "elsewhere")
			s.write(filepath.Join(s.dir, "archive"), []byte("x"))
			return "archive"
		}, []string{"local.archive", "archive is a file"}, false},
		"archive empty": {func(s *site) string {
			s.move("archive", "elsewhere")
			s.mkdir("archive")
			return "archive"
		}, []string{"nothing to replay", `no object below "logs/"`, "archive.prefix"}, true},
		"no key fits the layout": {func(s *site) string {
			s.move("archive", "elsewhere")
			s.write(filepath.Join(s.dir, "archive", "logs", "shop-1.log"), []byte(smallLog))
			return "archive"
		}, []string{"nothing to replay", "1 object", "logs/shop-1.log", "protocol shop", "archive.layout ({protocol}/{rest})"}, true},
		"objects of other protocols": {func(s *site) string {
			s.move("archive", "elsewhere")
			s.write(filepath.Join(s.dir, "archive", "logs", "shops", "1.log"), []byte(smallLog))
			return "archive"
		}, []string{"nothing to replay", "logs/shops/1.log", "protocol shop", "--protocol"}, true},
		"folder of the databases is a file": {func(s *site) string {
			s.write(filepath.Join(s.dir, "state"), []byte("x"))
			return "state"
		}, []string{"local.dir", "state: not a directory"}, false},
		"ledger is no database": {func(s *site) string {
			s.write(filepath.Join(s.dir, "state", "ledger.db"), notDatabase)
			return "state"
		}, []string{"local.dir", "opening the ledger", "state/ledger.db: this file is no SQLite database", "move the file away"}, false},
		"ledger is a folder": {func(s *site) string {
			s.mkdir("state/ledger.db")
			return "state"
		}, []string{"local.dir", "opening the ledger", "state/ledger.db", "check that it is no directory"}, false},
		"queue is no database": {func(s *site) string {
			s.write(filepath.Join(s.dir, "state", "queue.db"), notDatabase)
			return "state"
		}, []string{"local.dir", "queue", "state/queue.db: this file is no SQLite database"}, false},
		"tags are no database": {func(s *site) string {
			s.write(filepath.Join(s.dir, "state", "tags.db"), notDatabase)
			return "state"
		}, []string{"tags", "state/tags.db: this file is no SQLite database"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smallSite(t)
			mend := test.breaks(s)
			s.refused("start", failed, test.wants...)
			if !test.runs {
				s.refused("work", failed, test.wants...)
				s.refused("run --once", failed, test.wants...)
				s.refused("status", failed, test.wants...)
			}
			if mend != "" {
				if err := os.RemoveAll(filepath.Join(s.dir, mend)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Join(s.dir, "elsewhere")); err == nil {
				s.move("elsewhere", "archive")
			}
			s.goesOn("reprise.yaml")
		})
	}
}

func (s *site) move(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mkdir(name string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.dir, name), 0o750); err != nil {
		s.t.Fatal(err)
	}
}

// TestBadArguments: what is asked for wrongly changes nothing about the replay that is open.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	for _, command := range []string{"status", "status --watch", "objects", "certify", "finish", "redrive", "pause", "resume", "cancel"} {
		s.refused(command, usage, "there is no replay yet", "reprise start")
	}
	for _, command := range []string{"stats shop orders", "diff shop", "rollback shop", "purge shop"} {
		s.refused(command, usage, "protocol shop", "never been replayed", "reprise list")
	}
	id := s.start("--cutoff", smallCutoff)
	before := s.must("list", "--json")
	s.refused("start", failed, "shop by "+id, "reprise status "+id, "cancel")
	s.refused("start --protocol shop", failed, "shop by "+id)
	for _, command := range []string{
		"status", "status --watch", "status --json", "objects", "certify", "finish", "finish --accept-failed", "finish --pass-gate",
		"redrive", "redrive --dry-run", "pause", "resume", "cancel",
	} {
		s.refused(command+" 01J00000000000000000000000", usage, "there is no replay 01J00000000000000000000000", "reprise list")
	}
	for _, command := range []string{"stats nope orders", "diff nope", "rollback nope", "purge nope"} {
		s.refused(command, usage, "protocol nope", "reprise list")
	}
	for _, test := range []struct {
		args  string
		wants []string
	}{
		{"start --protocol nope", []string{`protocol "nope" is not configured; configured: shop`}},
		{"start --protocol shop --protocol nope", []string{`"nope"`}},
		{"start --cutoff yesterday", []string{`--cutoff: "yesterday" is not a time such as 2026-`}},
		{"start --cutoff 2026-03-02", []string{`--cutoff: "2026-03-02" is not a time such as 2026-`}},
		{"start --cutoff 0001-01-01T00:00:00Z", []string{"--cutoff: ", "before all logs"}},
		{"start --since 10:00", []string{`--since: "10:00"`}},
		{"start --until 10:00", []string{`--until: "10:00"`}},
		{"start --since 2026-03-01T00:00:00Z", []string{"archive.layout {protocol}/{rest} names no time"}},
		{"start --prefix other/", []string{"archive.prefix", `"other/" does not begin with "logs/"`}},
		{"start --cutover never", []string{"--cutover", `"never"`}},
		{"start --fold-every soon", []string{"--fold-every", `"soon"`}},
		{"start --fold-every=-1s", []string{"--fold-every", "-1s is below 0"}},
		{"start --epoch=-1", []string{"--epoch", "-1 is below 1"}},
		{"start --gate rows", []string{`"rows"`, "rows -1%"}},
		{"start shop", []string{"unexpected argument shop"}},
		{"start --protcol shop", []string{"--protcol", "--protocol"}},
		{"redrive --key logs/shop/2.log", []string{"logs/shop/2.log is no object of " + id}},
		{"objects --state lost", []string{`--state: "lost" is none of pending`}},
		{"demo --workers 1", []string{"at least 2 workers"}},
	} {
		s.refused(test.args, usage, test.wants...)
	}
	if after := s.must("list", "--json"); after != before {
		t.Errorf("what was refused has changed\n%s\nto\n%s", before, after)
	}
	s.goesOn("reprise.yaml")
	s.refused("stats shop orders --generation 9", usage, "protocol shop has no generation 9")
	s.refused("stats shop refunds", usage, `no statistic "refunds"; it has orders`)
	s.refused("rollback shop", failed, "shop has no generation before")
}

// TestLockedDatabase: while another process writes to the ledger, who reads it does not wait, and who writes to it waits
// instead of failing.
func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	id := s.start("--cutoff", smallCutoff)
	writer, err := database(s, "ledger.db").Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	lock := func(statement string) {
		t.Helper()
		if _, err := writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	lock("BEGIN IMMEDIATE")
	pause := s.daemon("pause")
	for range 3 { // by then the other one has come to its write; nothing depends on that
		if st := s.status(); st.State != "RUNNING" {
			t.Errorf("the replay is %s, whose pause cannot be written", st.State)
		}
	}
	lock("ROLLBACK")
	if code := pause.wait(); code != done || pause.err.String() != "" {
		t.Errorf("pause: exit code %d\n%s", code, pause.err.String())
	}
	if st := s.status(); st.State != "PAUSED" {
		t.Errorf("the replay is %s", st.State)
	}
	s.call(call{"resume", exit(done), []string{id, "RUNNING"}, nil})
	s.goesOn("reprise.yaml")
}

// TestEditedConfiguration: a replay goes on with the definition that it was started with, and workers that have another
// one in their configuration, or none, say so. Afterwards there is nothing to be said.
func TestEditedConfiguration(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	id := s.start("--cutoff", smallCutoff)
	edited := "local: {dir: state, archive: archive}\nprotocols:" + strings.Replace(smallProtocols, "sum(amount)", "max(amount)", 1)
	s.write(filepath.Join(s.dir, "edited.yaml"), []byte(edited))
	s.write(filepath.Join(s.dir, "other.yaml"), []byte(strings.Replace(edited, "shop:", "web:", 1)))
	said := func(config, want string) {
		t.Helper()
		worker := s.daemon("--config", config, "work")
		s.until("the worker's word", func() bool {
			return slices.ContainsFunc(strings.Split(worker.err.String(), "\n"), func(line string) bool {
				return strings.Contains(line, want) && strings.Contains(line, id) && strings.Contains(line, `"shop"`) && strings.Contains(line, `"warn"`)
			})
		})
		worker.stop(terminate)
	}
	said("edited.yaml", "defines this protocol otherwise than the replay")
	said("other.yaml", "not configured here")
	s.goesOn("edited.yaml")
	if r := s.run("--config", "edited.yaml", "run", "--once"); r.code != done || strings.Contains(r.err, "otherwise") {
		t.Errorf("after the end: exit code %d\n%s", r.code, r.err)
	}
}
