package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

const (
	crowdKey      = "logs/json/large.gz"
	crowdLines    = 1_200_000
	crowdMessages = 4
)

// TestCrowd: four messages for one object, all the time. It is never FAILED, no attempt is lost, and what the copies cost
// is below half of the work: claims beyond the chunks, and lines that are read more than once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	alone := crowd(t, 1)
	together := crowd(t, crowdMessages)
	// Time is for people to judge: a test that holds it against a clock tells about the machine. It goes with the lines
	// that are read and with how long nobody has the object; where no line is read twice, only the latter is left.
	t.Logf("one message: %d lines read in %d chunks and %v; %d messages: %d lines in %d chunks and %v, %.2f times as long",
		alone.read, alone.chunks, alone.took, crowdMessages, together.read, together.chunks, together.took, together.took.Seconds()/alone.took.Seconds())
}

// crowded is what became of an object.
type crowded struct {
	chunks int
	read   int64 // lines, by all workers, committed or not
	took   time.Duration
}

// crowd replays one object for which there are always as many messages as said.
func crowd(t *testing.T, messages int64) (result crowded) {
	t.Helper()
	c := newShortCount("json")
	s := newSite(t, "", "slots: 2, visibility_timeout: 2s, chunk_time: 1040ms, reserve: 1s, max_attempts: 3", c.protocol())
	members := coding{"members", ".gz", 10_000, gzipWriter}
	s.put(crowdKey, members.encode(t, c.object(rand.New(rand.NewPCG(7, 8)), crowdLines, true)))
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	q := openQueue(s, "work")
	defer func() { _ = q.Close() }()
	body := messageOf(s, "work", crowdKey)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := int64(0)
	copies := make(chan error, 1)
	go func() { copies <- keep(ctx, q, body, messages, &sent) }() // with one message too: to look costs time as well

	began := time.Now()
	workers := []*process{s.daemon("work", "--log-level", "debug"), s.daemon("work", "--log-level", "debug")}
	s.until("the object's end", func() bool {
		o := s.objects()[0]
		if o.State == "FAILED" || o.NoProgress > 1 {
			t.Fatalf("with %d messages the object is %+v", messages, o)
		}
		return o.State == "FINISHED"
	})
	result.took = time.Since(began).Round(time.Millisecond)
	cancel()
	if err := <-copies; err != nil {
		t.Fatal(err)
	}
	watcher := s.daemon("watch")
	if got := s.finished(); got.Lines != c.lines || got.Objects.Finished != 1 {
		t.Errorf("with %d messages the accounts are %+v, want %+v", messages, got.Lines, c.lines)
	}
	for _, p := range append(workers, watcher) {
		p.stop(terminate)
	}
	c.compare(s)

	attempts, verdicts := 0, map[string]int{}
	for _, p := range workers {
		for _, m := range p.said() {
			if m.Object == crowdKey {
				attempts = max(attempts, m.Attempt)
				verdicts[m.Verdict]++
				result.read += m.Read
				if m.Verdict == "hand on" || m.Verdict == "done" && m.Reason == "" {
					result.chunks++
				}
			}
		}
	}
	claims := 0
	query := "SELECT epoch FROM cursors WHERE key = ?" // raised by each claim
	if err := database(s, "ledger.db").QueryRowContext(t.Context(), query, crowdKey).Scan(&claims); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages: %d claims, %d lines read, %d copies sent, verdicts %v", messages, claims, result.read, sent, verdicts)
	// A worker that the machine holds up for longer than its claim lasts loses one, and what it has read, to a copy.
	if result.read < crowdLines || result.read > crowdLines+crowdLines/2 {
		t.Errorf("with %d messages %d lines were read of an object of %d", messages, result.read, crowdLines)
	}
	if result.chunks < fireHandOns || claims > result.chunks+result.chunks/5 || attempts > 1 || verdicts["poison"]+verdicts["retry"] > 0 {
		t.Errorf("with %d messages: %d claims of %d chunks, %d attempts without progress, verdicts %v", messages, claims, result.chunks, attempts, verdicts)
	}
	if messages > 1 && (sent < messages-1 || verdicts["wait"] == 0) {
		t.Errorf("only %d copies were sent, verdicts %v", sent, verdicts)
	}
	if st := s.status(); st.DeadLetters != 0 {
		t.Errorf("there are %d dead letters", st.DeadLetters)
	}
	return result
}

// keep sends copies of a message for as long as there are fewer than n.
func keep(ctx context.Context, q queue.Queue, body []byte, n int64, sent *int64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := q.Counts(ctx)
		if missing := n - counts.Visible - counts.InFlight - counts.Delayed; err == nil && missing > 0 {
			err = q.Send(ctx, slices.Repeat([]queue.Outgoing{{Body: body}}, int(missing)))
			*sent += missing
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// messageOf is the body of an object's message as it lies in a queue.
func messageOf(s *site, name, key string) []byte {
	s.t.Helper()
	rows, err := database(s, "queue.db").QueryContext(s.t.Context(), "SELECT body FROM messages WHERE queue = ?", name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var found []byte
	for rows.Next() {
		var body []byte
		var task queue.Task
		if err := rows.Scan(&body); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &task); err == nil && task.Key == key {
			found = body
		}
	}
	if err := rows.Err(); err != nil || found == nil {
		s.t.Fatalf("the queue %s has no message of %s, %v", name, key, err)
	}
	return found
}

// poisoned makes a site with two good objects and a large one that turns out to be corrupt at its end.
func poisoned(t *testing.T, worker string) (*site, *shortCount, string) {
	t.Helper()
	c := newShortCount("tsv")
	random := rand.New(rand.NewPCG(9, 10))
	s := newSite(t, "", worker, c.protocol())
	store := codings()[1]
	for i := range 2 {
		s.put(fmt.Sprintf("logs/tsv/good-%d.gz", i), store.encode(t, c.object(random, 5000, true)))
	}
	content := store.encode(t, c.object(random, 900_000, false))
	key := "logs/tsv/bad.gz"
	s.put(key, content[:len(content)-100])
	return s, c, key
}

// TestLateWorker holds a worker up in the middle of an object. Another one takes the object over and fails it, somebody
// accepts that, and then the first one comes back: before the fold, which needs workers, or when all is over. Nothing that
// it has read gets into the rows.
func TestLateWorker(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"before the fold", "after the end"} {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			s, c, key := poisoned(t, "slots: 1, visibility_timeout: 1s, chunk_time: 500ms, reserve: 100ms")
			s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
			first := s.daemon("work", "--log-level", "debug")
			before := holdUp(s, first, key)
			watcher := s.daemon("watch")
			second := s.daemon("work")
			s.until("the object to be FAILED", func() bool {
				st := s.status()
				return st.Objects.Failed == 1 && st.Objects.Finished == 2
			})
			if late == "before the fold" {
				second.stop(terminate)
			}
			s.acceptFailed()
			if late == "before the fold" {
				s.until("the fold", func() bool { return s.status().State == "FOLDING" })
			} else {
				s.finished()
			}
			if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			s.until("the late worker to see that it is too late", func() bool {
				return slices.ContainsFunc(first.said(), func(m said) bool { return m.Object == key && m.Verdict == "lost" })
			})
			got := s.finished()
			if o := got.Objects; got.Lines != c.lines || o.Finished != 2 || !slices.Equal(o.Failed, []string{key}) {
				t.Errorf("the accounts are %+v of %+v, want %+v", got.Lines, o, c.lines)
			}
			c.compare(s)
			if o := s.object(key); o.State != "FAILED" || o.Line < before.Line {
				t.Errorf("the late worker leaves %+v", o)
			}
			first.stop(terminate)
			watcher.stop(terminate)
			checkTags(s)
		})
	}
}

// object is one object as the program shows it.
func (s *site) object(key string) object {
	s.t.Helper()
	objects := s.objects()
	i := slices.IndexFunc(objects, func(o object) bool { return o.Key == key })
	if i < 0 {
		s.t.Fatalf("there is no object %s", key)
	}
	return objects[i]
}

// holdUp stops a worker in the middle of an object, as a machine does that is out of memory, and returns what the object
// is like then.
func holdUp(s *site, p *process, key string) (o object) {
	s.t.Helper()
	var files []*sql.DB
	for _, file := range []string{"ledger.db", "queue.db", "tags.db"} {
		db := database(s, file)
		db.SetMaxOpenConns(1)
		files = append(files, db)
	}
	signal := func(what syscall.Signal) {
		if err := p.cmd.Process.Signal(what); err != nil {
			s.t.Fatal(err)
		}
	}
	s.until("the worker in the middle of "+key, func() bool {
		if o = s.object(key); o.State != "PROCESSING" {
			return false
		}
		signal(syscall.SIGSTOP)
		o = s.object(key)
		if o.State == "PROCESSING" && !slices.ContainsFunc(files, func(db *sql.DB) bool { return locked(s, db) }) {
			return true
		}
		signal(syscall.SIGCONT) // between two chunks, or in the middle of a write that would lock everybody out
		return false
	})
	return o
}

// locked tells whether somebody is writing to a database.
func locked(s *site, db *sql.DB) bool {
	s.t.Helper()
	if _, err := db.ExecContext(s.t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		s.t.Fatal(err)
	}
	if _, err := db.ExecContext(s.t.Context(), "BEGIN IMMEDIATE"); err != nil {
		return true
	}
	if _, err := db.ExecContext(s.t.Context(), "ROLLBACK"); err != nil {
		s.t.Fatal(err)
	}
	return false
}

// TestRedriveWhileFolding: neither the command nor a message moved back by hand brings an object back while a fold leaves
// it out, whatever becomes of the object meanwhile; rows and certificate agree.
func TestRedriveWhileFolding(t *testing.T) {
	t.Parallel()
	s, c, key := poisoned(t, "slots: 2, visibility_timeout: 1s, chunk_time: 500ms, reserve: 100ms")
	id := s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	worker := s.daemon("work")
	s.until("the object to be FAILED", func() bool {
		st := s.status()
		return st.Objects.Failed == 1 && st.Objects.Finished == 2
	})
	worker.stop(terminate)
	watcher := s.daemon("watch")
	s.acceptFailed()
	s.until("the fold", func() bool {
		st := s.status()
		return st.State == "FOLDING" && st.Queue.Visible > 0
	})

	// The fold waits for a worker. The object is good again, and somebody wants it back.
	s.put(key, codings()[1].encode(t, newShortCount("tsv").object(rand.New(rand.NewPCG(1, 1)), 1000, false)))
	s.call(call{"redrive", exit(failed), nil, []string{id, "FOLDING"}})
	q := openQueue(s, "work")
	defer func() { _ = q.Close() }()
	body := messageOf(s, "dead-letters", key)
	if err := q.Send(t.Context(), slices.Repeat([]queue.Outgoing{{Body: body}}, 3)); err != nil {
		t.Fatal(err)
	}
	workers := []*process{s.daemon("work", "--log-level", "debug"), s.daemon("work", "--log-level", "debug")}
	got := s.finished()
	s.until("the messages to be gone", func() bool {
		counts, err := q.Counts(t.Context())
		return err == nil && counts.Idle()
	})
	if o := got.Objects; got.Lines != c.lines || o.Finished != 2 || !slices.Equal(o.Failed, []string{key}) {
		t.Errorf("the accounts are %+v of %+v, want %+v", got.Lines, o, c.lines)
	}
	c.compare(s)
	if o := s.object(key); o.State != "FAILED" {
		t.Errorf("the object is %+v", o)
	}
	waited := 0
	for _, p := range workers {
		for _, m := range p.said() {
			if m.Object == key && m.Verdict == "wait" && strings.Contains(m.Reason, "folding") {
				waited++
			}
		}
	}
	t.Logf("messages waited %d times for the fold's end", waited)
	for _, p := range append(workers, watcher) {
		p.stop(terminate)
	}
	checkTags(s)
}
