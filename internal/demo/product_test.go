package demo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/demo"
	"github.com/seed-56345083/reprise/internal/stats"
)

// Two programs count the same archive: the demo's own count, and the product's aggregator over the lines of the
// objects.
func TestProductCountsAlike(t *testing.T) {
	t.Parallel()
	m, dir := archive()
	file := filepath.Join(t.TempDir(), "reprise.yaml")
	if err := os.WriteFile(file, []byte(demo.Config(filepath.Join(dir, "db"), dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Local.Archive != dir || len(c.Protocols()) != 3 {
		t.Errorf("local %+v, protocols %q", c.Local, c.Protocols())
	}
	tallies := map[string]*stats.Tally{}
	accounts := map[string]demo.Accounts{}
	for _, p := range c.Protocols() {
		program, err := stats.Compile(c.Definition(p))
		if err != nil {
			t.Fatal(err)
		}
		if tallies[p], err = program.NewTally(stats.Rule{Cutoff: demo.Cutoff.UnixNano()}); err != nil {
			t.Fatal(err)
		}
	}
	objects(t, dir, func(key string, _, text []byte, err error) {
		if err != nil {
			return // the corrupt one, whose lines count nowhere
		}
		protocol := strings.Split(key, "/")[1]
		accounts[protocol] = tally(t, tallies[protocol], text, accounts[protocol])
	})
	for p, want := range m.Protocols {
		if accounts[p] != want {
			t.Errorf("%s has %+v, the manifest says %+v", p, accounts[p], want)
		}
	}
	if len(m.Expected) != 6 {
		t.Errorf("%d statistics are expected", len(m.Expected))
	}
	for _, e := range m.Expected {
		var b bytes.Buffer
		if err := stats.WriteCSV(&b, tallies[e.Protocol].Partial(), e.Statistic); err != nil {
			t.Fatal(err)
		}
		differences, err := demo.CompareCSV(e, &b)
		if err != nil || len(differences) > 0 {
			t.Errorf("%v %s", err, strings.Join(differences, "\n"))
		}
	}
}

func tally(t *testing.T, into *stats.Tally, text []byte, a demo.Accounts) demo.Accounts {
	t.Helper()
	var number int64
	for line := range bytes.Lines(text) {
		outcome, err := into.Line(number, bytes.TrimSuffix(line, []byte("\n")))
		number++
		a.Lines++
		switch outcome {
		case stats.Counted:
			a.Counted++
		case stats.AfterCutoff:
			a.AfterCutoff++
		case stats.Rejected:
			a.Rejected++
		case stats.Blank:
			a.Blank++
		}
		if (outcome == stats.Rejected) != (err != nil) {
			t.Errorf("line %d is %v: %v", number-1, outcome, err)
		}
	}
	return a
}
