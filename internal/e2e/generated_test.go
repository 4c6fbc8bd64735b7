package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

const (
	generatedObjects = 8    // of each protocol
	generatedLines   = 3000 // of an object, on average
	corruptKey       = "logs/app/2026/corrupt.log.gz"
)

// TestGenerated replays an archive of every format and coding, with bad, long and blank lines, lines after the cutoff,
// chunks that end in the middle of objects and one object that cannot be read; rows and accounts are those of the
// test's own count.
func TestGenerated(t *testing.T) {
	t.Parallel()
	var protocols strings.Builder
	for _, d := range dialects() {
		protocols.WriteString(d.protocol())
	}
	s := newSite(t, "", "slots: 4, visibility_timeout: 5s, chunk_time: 120ms, reserve: 100ms, memory: 8MiB", protocols.String())
	counts := generate(s)
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))

	r := s.run("run", "--once")
	if r.code != 3 || r.out != "" || !strings.Contains(r.err, "FAILED") || !strings.Contains(r.err, "finish --accept-failed") {
		t.Fatalf("run --once of a replay that is held back: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	failed := s.objects("--state", "failed")
	if len(failed) != 1 || failed[0].Key != corruptKey || !strings.Contains(failed[0].Error, "line") {
		t.Errorf("failed are %+v", failed)
	}
	if r := s.run("certify"); r.code != 3 {
		t.Errorf("certify of a replay that is held back: exit code %d\n%s", r.code, r.out)
	}
	if r := s.run("stats", "app", "hits"); r.code == 0 || r.out != "" {
		t.Errorf("an unfinished generation is shown: exit code %d\n%s", r.code, r.out)
	}

	runner := s.daemon("run")
	s.acceptFailed()
	c := s.finished()
	runner.stop(interrupt)
	checkCertificate(t, c, counts)
	for _, count := range counts {
		count.compare(s)
	}
	checkTags(s)
	checkDeadLetters(s, s.status().Replay)
	if r := s.run("run", "--once"); r.code != 0 {
		t.Errorf("run --once with nothing left to do: exit code %d\n%s", r.code, r.err)
	}
}

// generate fills the archive and returns the counts by protocol, in the order of their names.
func generate(s *site) []*recount {
	s.t.Helper()
	g := &generator{random: rand.New(rand.NewPCG(1, 2)), hosts: 300, odd: true}
	var counts []*recount
	for _, d := range dialects() {
		c := newRecount(d)
		counts = append(counts, c)
		for i := range generatedObjects {
			newline := "\n"
			if i%4 == 1 {
				newline = "\r\n"
			}
			lines := c.object(g, g.random.IntN(2*generatedLines), newline, true)
			if i%4 == 3 && len(lines) > 1 { // the last line has no newline; an empty one would be no line at all
				line, r, _ := (&generator{random: g.random, hosts: g.hosts}).line(d)
				c.add(r, none, len(line))
				lines = append(lines, []byte(line))
			}
			store := codings()[i%len(codings())]
			s.put(fmt.Sprintf("logs/%s/2026/%02d%s", d.name, i, store.suffix), store.encode(s.t, lines))
		}
		s.put("logs/"+d.name+"/2026/empty.log", nil)
		if strings.HasPrefix(corruptKey, "logs/"+d.name+"/") {
			members := codings()[2]
			content := members.encode(s.t, c.object(g, 4*generatedLines, "\n", false))
			content[len(content)*3/4] ^= 0xff
			s.put(corruptKey, content)
		}
	}
	s.put("logs/nowhere.log", []byte("fits no layout\n"))
	s.put("logs/other/1.log", []byte("of a protocol that is not configured\n"))
	s.put("elsewhere/events/1.log", []byte("not below the prefix\n"))
	slices.SortFunc(counts, func(a, b *recount) int { return strings.Compare(a.d.name, b.d.name) })
	return counts
}

func checkCertificate(t *testing.T, c certificate, counts []*recount) {
	t.Helper()
	n := int64(len(counts) * (generatedObjects + 1))
	if o := c.Objects; o.Listed != n+1 || o.Finished != n || o.LeftOut != 1 || !slices.Equal(o.Failed, []string{corruptKey}) {
		t.Errorf("the objects are %+v, want %d and one left out", o, n)
	}
	if c.Accepted == nil || c.Accepted.By == "" {
		t.Error("it is not written down who accepted the failed object")
	}
	var all accounts
	for i, count := range counts {
		p := c.Protocols[i]
		if p.Protocol != count.d.name || p.Lines != count.lines || p.Folded.Lines != count.lines.Counted {
			t.Errorf("%s: the accounts are %+v, folded %d; want %s %+v", p.Protocol, p.Lines, p.Folded.Lines, count.d.name, count.lines)
		}
		all.add(count.lines)
	}
	if c.Lines != all {
		t.Errorf("the accounts of all are %+v, want %+v", c.Lines, all)
	}
}

// checkTags looks at every object's tags with the driver itself: a replay leaves none.
func checkTags(s *site) {
	s.t.Helper()
	ctx := s.t.Context()
	a := openArchive(s)
	objects := 0
	for o, err := range a.List(ctx, "", "") {
		if err != nil {
			s.t.Fatal(err)
		}
		objects++
		if tags, err := a.Tags(ctx, o.Key); err != nil || len(tags) > 0 {
			s.t.Errorf("%s still has the tags %v, %v", o.Key, tags, err)
		}
	}
	if objects == 0 {
		s.t.Error("there is no object")
	}
}

// checkDeadLetters: only the corrupt object is there, with the reason; the work queue is empty.
func checkDeadLetters(s *site, replay string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: filepath.Join(s.dir, "state", "queue.db"), Name: "dead-letters"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	// The watcher may just have had it in its hands, so that it is invisible for a while.
	var messages []queue.Message
	if st := s.status(); st.DeadLetters != 1 || st.Queue.Visible+st.Queue.InFlight+st.Queue.Delayed != 0 {
		s.t.Errorf("the queue has %+v and %d dead letters", st.Queue, st.DeadLetters)
	}
	if messages, err = q.Receive(ctx, queue.ReceiveParams{Max: 10, Visibility: time.Minute}); err != nil {
		s.t.Fatal(err)
	}
	for _, m := range messages {
		var task queue.Task
		if err := json.Unmarshal(m.Body, &task); err != nil || task.Key != corruptKey || task.Replay != replay || task.Error == "" {
			s.t.Errorf("a dead letter is %s, %v", m.Body, err)
		}
	}
	if len(messages) != 1 {
		s.t.Errorf("%d dead letters can be received", len(messages))
	}
}
