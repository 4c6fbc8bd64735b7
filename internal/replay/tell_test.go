package replay_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// TestObserve: what a watcher tells is what the ledger and the queue have, at each step of a replay.
func TestObserve(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3"} {
		s.put(key, "a", "b")
	}
	r := s.running("dns")
	m, h := telemetry.New("v"), telemetry.NewHealth()
	d := s.driver("watcher", nil, func(o *replay.Options) { o.StuckAfter = time.Hour })
	d.Observe(m.Watcher(replay.States()), h.Pulse("watcher", time.Hour))
	expect := func(step string, want ...string) {
		t.Helper()
		look(t, d)
		page := httptest.NewRecorder()
		m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		for _, line := range want {
			if !strings.Contains(page.Body.String(), "\nreprise_"+line+"\n") {
				t.Errorf("%s: no %s", step, line)
			}
		}
		if waits := !strings.Contains(page.Body.String(), "\nreprise_replay_stalled_seconds 0\n"); waits != strings.HasPrefix(step, "messages wait") {
			t.Errorf("%s: stalled is %v", step, waits)
		}
	}
	expect("messages wait", `replays{state="RUNNING"} 1`, `objects{state="PENDING"} 3`, "objects_listed 3",
		`queue_messages{queue="work",state="visible"} 3`, `queue_messages{queue="dead_letters",state="visible"} 0`)
	s.finishObject(r.ID, "logs/dns/1")
	tasks(t, s.work)
	expect("nothing waits", `objects{state="PENDING"} 2`, `objects{state="FINISHED"} 1`, `queue_messages{queue="work",state="visible"} 0`)
	s.finishObject(r.ID, "logs/dns/2")
	s.finishObject(r.ID, "logs/dns/3")
	look(t, d)
	expect("messages wait for the fold", `replays{state="FOLDING"} 1`, `replays{state="RUNNING"} 0`, "fold_parts 1", "fold_parts_finished 0",
		`objects{state="FINISHED"} 3`)
	s.workers()
	s.watch(d, r.ID, ledger.Finished)
	expect("it is over", `replays{state="FOLDING"} 0`, `objects{state="FINISHED"} 0`, "objects_listed 0", "fold_parts 0")
	if !h.Ready().OK {
		t.Errorf("health: %+v", h.Ready())
	}
}
