package queue_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// The plain cases of Move are in queuetest; these have queues that fail half-way.

// faulty is a queue in which single entries fail.
type faulty struct {
	queue.Queue
	send, remove func(i int) error
}

func (f faulty) Send(ctx context.Context, messages []queue.Outgoing) error {
	batch := &queue.BatchError{Errs: map[int]error{}}
	for i, m := range messages {
		err := f.send(i)
		if err == nil {
			err = f.Queue.Send(ctx, []queue.Outgoing{m})
		}
		if err != nil {
			batch.Errs[i] = err
		}
	}
	if len(batch.Errs) == 0 {
		return nil
	}
	return batch
}

func (f faulty) Delete(ctx context.Context, receipts []string) error {
	batch := &queue.BatchError{Errs: map[int]error{}}
	for i, r := range receipts {
		err := f.remove(i)
		if err == nil {
			err = f.Queue.Delete(ctx, []string{r})
		}
		if err != nil {
			batch.Errs[i] = err
		}
	}
	if len(batch.Errs) == 0 {
		return nil
	}
	return batch
}

var errFault = errors.New("fault")

func at(entries ...int) func(int) error {
	return func(i int) error {
		if slices.Contains(entries, i) {
			return errFault
		}
		return nil
	}
}

// queues opens two queues, the first with n messages.
func queues(t *testing.T, n int) (from, to queue.Queue) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue.db")
	both := make([]queue.Queue, 2)
	for i, name := range []string{"from", "to"} {
		q, err := sqlitequeue.Open(context.Background(), sqlitequeue.Options{Path: path, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
		both[i] = q
	}
	for i := range n {
		if err := both[0].Send(context.Background(), []queue.Outgoing{{Body: []byte{'a' + byte(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	return both[0], both[1]
}

func visible(t *testing.T, q queue.Queue) int64 {
	t.Helper()
	c, err := q.Counts(context.Background())
	if err != nil || c.InFlight != 0 || c.Delayed != 0 {
		t.Errorf("counts = %+v, %v, want visible messages alone", c, err)
	}
	return c.Visible
}

func TestMoveFaults(t *testing.T) {
	t.Parallel()
	all := func(fate queue.Fate) queue.Mover { return func(queue.Message) (queue.Fate, error) { return fate, nil } }
	mixed := func(m queue.Message) (queue.Fate, error) { // a sent, b dropped, c kept, d an error, e never asked
		switch m.Body[0] {
		case 'a':
			return queue.Send, nil
		case 'b':
			return queue.Drop, nil
		case 'c':
			return queue.Keep, nil
		case 'd':
			return queue.Send, errFault
		default:
			panic("asked after an error")
		}
	}
	for _, c := range []struct {
		name           string
		send, remove   func(int) error
		decide         queue.Mover
		moved, dropped int
		left, arrived  int64
	}{
		{name: "send fails for one", send: at(1), remove: at(), decide: all(queue.Send), moved: 4, left: 1, arrived: 4},
		{name: "send fails for all", send: at(0, 1, 2, 3, 4), remove: at(), decide: all(queue.Send), left: 5},
		{name: "delete fails after sending: repeated, not lost", send: at(), remove: at(0), decide: all(queue.Send), moved: 5, left: 1, arrived: 5},
		{name: "delete fails for a dropped one", send: at(), remove: at(2), decide: all(queue.Drop), dropped: 4, left: 1},
		{name: "no decision", send: at(), remove: at(), decide: mixed, moved: 1, dropped: 1, left: 3, arrived: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from, to := queues(t, 5)
			moved, dropped, err := queue.Move(context.Background(), faulty{from, c.send, c.remove}, faulty{to, c.send, c.remove},
				time.Minute, 0, c.decide)
			if moved != c.moved || dropped != c.dropped || !errors.Is(err, errFault) {
				t.Errorf("Move = %d, %d, %v, want %d, %d and the fault", moved, dropped, err, c.moved, c.dropped)
			}
			if left := visible(t, from); left != c.left {
				t.Errorf("%d messages are left, want %d", left, c.left)
			}
			if arrived := visible(t, to); arrived != c.arrived {
				t.Errorf("%d messages arrived, want %d", arrived, c.arrived)
			}
		})
	}
}

// TestMoveComesRound has a visibility that does not outlast the walk: it ends all the same, and looks at each message once.
func TestMoveComesRound(t *testing.T) {
	t.Parallel()
	from, to := queues(t, 3)
	asked := 0
	_, _, err := queue.Move(context.Background(), from, to, time.Millisecond, 0, func(queue.Message) (queue.Fate, error) {
		asked++
		return queue.Keep, nil
	})
	if err != nil || asked != 3 {
		t.Errorf("asked %d times, %v, want 3", asked, err)
	}
	if left := visible(t, from); left != 3 {
		t.Errorf("%d messages are left, want 3", left)
	}
}

// giving is a queue that counts what is given back.
type giving struct {
	queue.Queue
	changes int
}

func (g *giving) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	g.changes += len(changes)
	return g.Queue.ChangeVisibility(ctx, changes)
}

// TestMoveGivesBackWhatIsHidden: a long walk ends with many messages that have become visible by themselves; to give
// them back would take longer than there is time for.
func TestMoveGivesBackWhatIsHidden(t *testing.T) {
	t.Parallel()
	keep := func(queue.Message) (queue.Fate, error) { return queue.Keep, nil }
	for visibility, want := range map[time.Duration]int{time.Minute: 12, time.Nanosecond: 0} {
		from, to := queues(t, 12)
		g := &giving{Queue: from}
		if _, _, err := queue.Move(t.Context(), g, to, visibility, 0, keep); err != nil {
			t.Fatal(err)
		}
		if g.changes != want {
			t.Errorf("hidden for %s: %d given back, want %d", visibility, g.changes, want)
		}
	}
}
