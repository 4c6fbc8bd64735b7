package e2e_test

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestImageLocal runs the image's binary as a container does, with one writable folder for the databases: a replay from its start to
// its certificate. Whatever the program lacks there it would lack in the image.
func TestImageLocal(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: t.TempDir()}
	s.archive = s.dir + "/archive"
	s.writeConfig("reprise.yaml", "local: {dir: /state, archive: /archive}", "slots: 2", smallProtocols)
	s.put("logs/shop/1.log", []byte(smallLog))
	j := newJail(t, s.dir, "state")
	before := j.files(t)
	s.prepare = func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "TZ=Asia/Kolkata") // found in the program itself
		j.enter(cmd)
	}
	s.call(call{"version", exit(done), []string{"reprise " + imageVersion}, nil})
	s.call(call{"config check", exit(done), []string{"shop"}, nil})
	s.call(call{"health", exit(usage), nil, []string{"telemetry.listen"}})
	s.call(call{"init elsewhere.yaml", exit(failed), nil, []string{"elsewhere.yaml"}})

	s.start("--cutoff", smallCutoff)
	worker := begin(s, "work")
	worker.stop(terminate)
	s.must("run", "--once")
	if got := s.certified(); got.Lines.Counted != 5 {
		t.Errorf("the accounts are %+v", got.Lines)
	}
	golden(t, s.must("stats", "shop", "orders"), "@stats.txt")
	if after := j.files(t); !slices.Equal(before, after) {
		t.Errorf("the root folder has %q, before it had %q", after, before)
	}
	if log := worker.err.String(); !strings.Contains(log, "+05:30") {
		t.Errorf("the log does not tell the time of the zone\n%s", log)
	}
}

// TestImageOnAWS is a replay by processes in containers of the image that may write nowhere.
func TestImageOnAWS(t *testing.T) {
	t.Parallel()
	c := newShortCount("json")
	s := newCloudSite(t, "slots: 2, visibility_timeout: 30s, chunk_time: 2010ms, reserve: 2s", c.protocol(), nil)
	random := rand.New(rand.NewPCG(51, 52))
	for i, coding := range codings() {
		s.put("logs/json/"+string(rune('a'+i))+coding.suffix, coding.encode(t, c.object(random, 20_000, true)))
	}
	j := newJail(t, s.dir, "")
	before, credentials := j.files(t), s.prepare
	s.prepare = func(cmd *exec.Cmd) {
		credentials(cmd)
		j.enter(cmd)
	}
	s.must("config", "check", "--live")
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	processes := []*process{begin(s, "work"), begin(s, "watch")}
	if got := s.finished(); got.Lines != c.lines || got.Objects.Finished != c.objects {
		t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	c.compare(s)
	for _, p := range processes {
		p.stop(terminate)
	}
	if after := j.files(t); !slices.Equal(before, after) {
		t.Errorf("the root folder has %q, before it had %q", after, before)
	}
}

// begin starts a role that serves its health, and waits until reprise health finds it ready.
func begin(s *site, role string) *process {
	s.t.Helper()
	before := s.prepare
	listening := func(address string) func(*exec.Cmd) {
		return func(cmd *exec.Cmd) {
			before(cmd)
			cmd.Env = append(cmd.Env, "REPRISE_TELEMETRY_LISTEN="+address)
		}
	}
	defer func() { s.prepare = before }()
	s.prepare = listening("127.0.0.1:0")
	p := s.daemon(role)
	address := ""
	s.until(role+" to listen", func() bool {
		address = p.listens()
		return address != ""
	})
	s.prepare = listening(address)
	s.until(role+" to be ready", func() bool { return s.run("health", "--ready").code == done })
	if r := s.run("health"); r.code != done || r.out+r.err != "" {
		s.t.Errorf("health of %s: exit code %d\n%s%s", role, r.code, r.out, r.err)
	}
	return p
}

// listens is the address at which the process serves its health, from its log; empty as long as it does not.
func (p *process) listens() string {
	for line := range strings.Lines(p.err.String()) {
		var said struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "serving telemetry" {
			return said.Address
		}
	}
	return ""
}
