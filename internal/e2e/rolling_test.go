package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// orchestratorLimit is how long a process may take to end after SIGTERM before it is killed: the default of ECS.
const orchestratorLimit = 30 * time.Second

// TestRollingUpdate is the update of a fleet under load, as an orchestrator does it: for each worker of the old version one of the
// new is started, and when it works the old one gets SIGTERM in the middle of a chunk; then the watcher. Before that a worker is
// stopped that waits for the first byte of its objects, so that all it has is an attempt. None is held against an object, nothing is
// lost and nothing counted twice, and every worker says how long its drain took.
func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	c := newShortCount("tsv")
	tap := newTap()
	s := newCloudSite(t, "slots: 2, visibility_timeout: 30s, chunk_time: 2010ms, reserve: 2s, max_attempts: 2", c.protocol(),
		func(c *cloud) { c.filterReads(t, tap.filter) })
	random := rand.New(rand.NewPCG(61, 62))
	for i := range 24 {
		s.put(fmt.Sprintf("logs/tsv/%02d.log", i), codings()[0].encode(t, c.object(random, 40_000, true)))
	}
	t.Cleanup(tap.open)
	r := rollout{site: s, next: otherVersion(t), before: s.prepare}
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	watcher := s.daemon("watch")
	r.stopEmptyHanded()
	tap.drip()
	for range 3 {
		r.old = append(r.old, s.daemon("work", "--log-level", "debug"))
	}
	s.until("chunks of the old workers", func() bool { return chunks(r.old) >= 3 })

	s.prepare = r.updated
	if version := s.must("version"); !strings.HasPrefix(version, "reprise next ") {
		t.Fatalf("the new version is %s", version)
	}
	for i, old := range r.old {
		r.young = append(r.young, s.daemon("work", "--log-level", "debug"))
		s.until("a chunk of the new worker", func() bool { return chunks(r.young[i:]) > 0 })
		r.replace(old)
	}
	r.stop(watcher)
	watcher = s.daemon("watch")
	if st := s.status(); st.Objects.Finished == st.Objects.Listed {
		t.Fatal("everything was read before the last worker was replaced: give the tap less")
	}
	tap.open()

	if got := s.finished(); got.Lines != c.lines || got.Objects.Finished != c.objects {
		t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	c.compare(s)
	r.checkAttempts()
	if st := s.status(); st.DeadLetters != 0 || st.Queue.Visible+st.Queue.InFlight+st.Queue.Delayed != 0 {
		t.Errorf("%d dead letters are left, and the queue %+v", st.DeadLetters, st.Queue)
	}
	for _, p := range append(r.young, watcher) {
		r.stop(p)
	}
	t.Logf("%d chunks of the old version, %d of the new", chunks(r.old), chunks(r.young))
}

// rollout is an update under way.
type rollout struct {
	*site
	next       string // the new version's binary
	before     func(*exec.Cmd)
	old, young []*process
}

// updated changes a process into one of the new version.
func (r *rollout) updated(cmd *exec.Cmd) {
	r.before(cmd)
	cmd.Path = r.next
}

// stopEmptyHanded starts a worker and stops it before it has read a line: its reads are cut off when the drain is nearly over, long
// before their time would be. What it gives back must look as if nobody had had it.
func (r *rollout) stopEmptyHanded() {
	r.t.Helper()
	r.prepare = func(cmd *exec.Cmd) {
		r.before(cmd)
		cmd.Env = append(cmd.Env, "REPRISE_WORKER_CHUNK_TIME=20s", "REPRISE_WORKER_DRAIN=2s")
	}
	worker := r.daemon("work", "--log-level", "debug")
	r.prepare = r.before
	r.replace(worker)
	said := worker.said()
	if len(said) == 0 {
		r.t.Error("it says nothing of its messages")
	}
	for _, m := range said {
		if m.Verdict != "released" || m.Read != 0 {
			r.t.Errorf("%s of %s after %d lines", m.Verdict, m.Object, m.Read)
		}
	}
}

// replace stops a worker that has an object in work, and looks at what it leaves.
func (r *rollout) replace(old *process) {
	r.t.Helper()
	pid := old.cmd.Process.Pid
	r.until("the worker to be in the middle of a chunk", func() bool { return r.cloud.held(r.t, pid) > 0 })
	r.stop(old)
	if n := r.cloud.held(r.t, pid); n != 0 {
		r.t.Errorf("a stopped worker still has %d objects", n)
	}
	for _, o := range r.objects("--state", "pending") {
		if o.NoProgress != 0 || o.Error != "" {
			r.t.Errorf("%s has %d attempts against it: %q", o.Key, o.NoProgress, o.Error)
		}
	}
}

// stop ends a process as an orchestrator does, which must not have to kill it, and reads in its log how long that took.
func (r *rollout) stop(p *process) {
	r.t.Helper()
	killed := time.AfterFunc(orchestratorLimit, func() { _ = p.cmd.Process.Kill() })
	defer killed.Stop()
	p.stop(syscall.SIGTERM)
	if !strings.HasPrefix(p.name, "work") {
		return
	}
	for line := range strings.Lines(p.err.String()) {
		var said struct {
			Message string `json:"msg"`
			Held    int    `json:"held"`
			Drain   string `json:"drain"`
		}
		if json.Unmarshal([]byte(line), &said) != nil || said.Message != "stopped" {
			continue
		}
		if _, err := time.ParseDuration(said.Drain); err != nil {
			r.t.Errorf("the drain took %q", said.Drain)
		}
		r.t.Logf("a worker held %d messages, its drain took %s", said.Held, said.Drain)
		return
	}
	r.t.Errorf("a worker says nothing of its drain\n%s", p.err.String())
}

// checkAttempts: no worker of either version met an object that had been tried before in vain.
func (r *rollout) checkAttempts() {
	r.t.Helper()
	for _, p := range append(r.old, r.young...) {
		for _, m := range p.said() {
			if m.Attempt > 1 {
				r.t.Errorf("attempt %d at %s: %s", m.Attempt, m.Object, m.Reason)
			}
		}
	}
	for _, o := range r.objects() {
		if o.State != "FINISHED" || o.NoProgress != 0 || o.Error != "" {
			r.t.Errorf("%s is %s with %d attempts: %s", o.Key, o.State, o.NoProgress, o.Error)
		}
	}
}

// otherVersion builds the program as another version.
func otherVersion(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "reprise")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X github.com/seed-56345083/reprise/cmd.version=next",
		"-o", binary, "github.com/seed-56345083/reprise/cmd/reprise")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building another version: %v\n%s", err, out)
	}
	return binary
}

// tap is what bytes come through: none at first, then slowly, so that what is done meanwhile is done under load, however fast the
// program is and however slow the machine; when it is opened, as they come.
type tap struct {
	dripping, opened chan struct{}
	once             sync.Once
}

func newTap() *tap { return &tap{dripping: make(chan struct{}), opened: make(chan struct{})} }

func (t *tap) drip() { close(t.dripping) }

func (t *tap) open() { t.once.Do(func() { close(t.opened) }) }

func (t *tap) filter(body io.ReadCloser) io.ReadCloser { return &tapped{body, t} }

type tapped struct {
	io.ReadCloser
	*tap
}

func (b *tapped) Read(p []byte) (int, error) {
	const piece = 16 << 10
	select {
	case <-b.opened:
	case <-b.dripping:
		select {
		case <-b.opened:
		case <-time.After(500 * time.Millisecond):
			p = p[:min(len(p), piece)]
		}
	}
	return b.ReadCloser.Read(p)
}
