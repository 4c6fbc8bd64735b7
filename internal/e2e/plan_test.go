package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// plan is what `reprise plan --json` prints, as far as it is held here.
type plan struct {
	Protocols []struct {
		Protocol       string
		Objects, Bytes int64
	}
	Sampled []struct {
		Protocol    string
		Objects     int64 `json:"sampled_objects"`
		Whole       bool
		Lines, Rows span
		Rejected    float64
		AfterCutoff float64 `json:"after_cutoff"`
	}
	Lines, Rows, Seconds span
	Calls                []struct {
		What   string
		Number span
	}
	Dollars *span
	Disk    *span `json:"disk_bytes"`
}

type span struct{ Low, High float64 }

func (r span) has(x float64) bool { return r.Low <= x && x <= r.High }

func (s *site) plan(args ...string) plan {
	s.t.Helper()
	var p plan
	if err := json.Unmarshal([]byte(s.must(append([]string{"plan", "--json"}, args...)...)), &p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// checkPlan makes an archive, plans, replays, and holds the plan against the certificate and the test's own count.
func checkPlan(t *testing.T, s *site, counts ...*shortCount) plan {
	t.Helper()
	random := rand.New(rand.NewPCG(31, 32))
	store := codings()
	for _, c := range counts {
		for i := range 60 {
			n := 50 + random.IntN(400)
			if i%20 == 0 {
				n *= 30
			}
			coding := store[i%len(store)]
			s.put(fmt.Sprintf("logs/%s/%02d%s", c.name, i, coding.suffix), coding.encode(t, c.object(random, n, true)))
		}
	}
	cutoff := generatedCutoff.Format(time.RFC3339)
	p := s.plan("--cutoff", cutoff)
	if text := s.run("plan", "--cutoff", cutoff); text.code != 0 || !strings.Contains(text.out, " of 60 ") || !strings.Contains(text.err, " of 60 objects") {
		t.Errorf("plan ended with %d\n%s%s", text.code, text.out, text.err)
	}
	if r := s.run("status"); r.code != 2 || !strings.Contains(r.err, "no replay yet") {
		t.Errorf("after a plan status ended with %d: %s%s", r.code, r.out, r.err)
	}
	s.start("--cutoff", cutoff)
	s.must("run", "--once")
	got := s.finished()
	var all accounts
	for i, c := range counts {
		all.add(c.lines)
		e, rows := p.Sampled[i], float64(len(c.hits)+len(c.high))
		t.Logf("%s: lines %.0f to %.0f, there are %d; rows %.0f to %.0f, there are %.0f", c.name, e.Lines.Low, e.Lines.High, c.lines.Read, e.Rows.Low, e.Rows.High, rows)
		if e.Protocol != c.name || e.Objects < 40 || e.Objects >= 60 || e.Whole || !e.Lines.has(float64(c.lines.Read)) || e.Lines.High > 1.5*e.Lines.Low {
			t.Errorf("%s: %+v, there are %d lines", c.name, e, c.lines.Read)
		}
		if !e.Rows.has(rows) {
			t.Errorf("%s: rows %v, there are %.0f", c.name, e.Rows, rows)
		}
		if share := float64(c.lines.AfterCutoff) / float64(c.lines.Read); math.Abs(e.AfterCutoff-share) > share/5 {
			t.Errorf("%s: %.3f after the cutoff, it is %.3f", c.name, e.AfterCutoff, share)
		}
		if p.Protocols[i].Objects != 60 {
			t.Errorf("%s: %d objects", c.name, p.Protocols[i].Objects)
		}
	}
	if got.Lines != all || !p.Lines.has(float64(all.Read)) || p.Seconds.High <= 0 {
		t.Errorf("the plan says %v lines in %v s, the certificate has %+v, want %+v", p.Lines, p.Seconds, got.Lines, all)
	}
	return p
}

// TestPlan holds a plan of the embedded backend against the replay that follows.
func TestPlan(t *testing.T) {
	t.Parallel()
	counts := []*shortCount{newShortCount("json"), newShortCount("tsv")}
	s := newSite(t, "", "slots: 2", counts[0].protocol()+counts[1].protocol())
	s.call(call{args: "plan", codes: []int{1}, err: []string{"nothing to replay"}})
	s.call(call{args: "plan --workers 0", codes: []int{2}, err: []string{"--workers"}})
	p := checkPlan(t, s, counts...)
	if p.Dollars != nil || p.Disk == nil || p.Disk.Low <= 0 {
		t.Errorf("$%v, disk %v", p.Dollars, p.Disk)
	}
}

// TestPlanOnAWS holds one against a replay on AWS's interfaces. That its calls are those that are made is held by TestCallsOnAWS.
func TestPlanOnAWS(t *testing.T) {
	t.Parallel()
	c := newShortCount("json")
	s := newCloudSite(t, "slots: 4, visibility_timeout: 60s", c.protocol(), nil)
	p := checkPlan(t, s, c)
	if p.Disk != nil || p.Dollars == nil || p.Dollars.Low <= 0 || p.Dollars.High > 0.01 {
		t.Errorf("$%v, disk %v", p.Dollars, p.Disk)
	}
}
