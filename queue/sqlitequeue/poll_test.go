package sqlitequeue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// looks counts calls of look, and has messages from the time at on.
func looks(n *int, at time.Duration) func() ([]queue.Message, time.Duration, error) {
	begin := time.Now()
	return func() ([]queue.Message, time.Duration, error) {
		*n++
		if left := at - time.Since(begin); left > 0 {
			return nil, never, nil
		}
		return []queue.Message{{ID: "1"}}, 0, nil
	}
}

func TestPollPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n int
		begin := time.Now()
		messages, err := poll(context.Background(), 20*time.Second, newBell(), looks(&n, time.Hour))
		if len(messages) != 0 || err != nil || time.Since(begin) != 20*time.Second {
			t.Errorf("poll = %v, %v after %s, want nothing after 20 s", messages, err, time.Since(begin))
		}
		if n < 80 || n > 170 { // every 125 to 250 ms
			t.Errorf("looked %d times in 20 s", n)
		}
		n = 0
		if _, err := poll(context.Background(), 0, newBell(), looks(&n, time.Hour)); err != nil || n != 1 {
			t.Errorf("without waiting: looked %d times, %v", n, err)
		}
		begin = time.Now()
		messages, err = poll(context.Background(), 20*time.Second, newBell(), looks(&n, 3*time.Second))
		if took := time.Since(begin); len(messages) != 1 || err != nil || took > 3*time.Second+lastPause {
			t.Errorf("poll = %v, %v after %s, want a message after 3 s", messages, err, took)
		}
	})
}

func TestPollWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n int
		b := newBell()
		begin := time.Now()
		time.AfterFunc(5001*time.Millisecond, b.ring)
		messages, err := poll(context.Background(), 20*time.Second, b, looks(&n, 5001*time.Millisecond))
		if took := time.Since(begin); len(messages) != 1 || err != nil || took != 5001*time.Millisecond {
			t.Errorf("the bell: %v, %v after %s, want a message after 5.001 s", messages, err, took)
		}

		begin = time.Now() // told when a message becomes visible, poll looks at that moment
		messages, err = poll(context.Background(), 20*time.Second, b, func() ([]queue.Message, time.Duration, error) {
			if left := 7003*time.Millisecond - time.Since(begin); left > 0 {
				return nil, left, nil
			}
			return []queue.Message{{}}, 0, nil
		})
		if took := time.Since(begin); len(messages) != 1 || err != nil || took > 7004*time.Millisecond {
			t.Errorf("a delay that ends: %v, %v after %s, want a message after 7.003 s", messages, err, took)
		}
	})
}

func TestPollEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n int
		ctx, cancel := context.WithTimeout(context.Background(), 1234*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := poll(ctx, 20*time.Second, newBell(), looks(&n, time.Hour))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 1234*time.Millisecond {
			t.Errorf("poll = %v after %s, want the context's error when it ends", err, time.Since(begin))
		}
		own := errors.New("own")
		_, err = poll(context.Background(), 20*time.Second, newBell(), func() ([]queue.Message, time.Duration, error) { return nil, 0, own })
		if !errors.Is(err, own) {
			t.Errorf("poll = %v, want look's error", err)
		}
	})
}
