package e2e_test

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// meddled is what became of messages at the hands of somebody who sends one in ten twice and loses one in twenty, of all
// that the queue has ever had.
type meddled struct{ messages, twice, lost int64 }

// meddle begins to meddle with the site's messages; stop ends it.
func meddle(s *site) (stop func() meddled) {
	s.t.Helper()
	if s.cloud != nil {
		return s.cloud.meddler.start()
	}
	m := startMeddler(s)
	return func() meddled {
		m.stop()
		return m.meddled
	}
}

// meddler meddles with a local queue.
type meddler struct {
	q      *sqlitequeue.Queue
	cancel context.CancelFunc
	ended  chan error

	meddled // to be read when it has ended
}

func startMeddler(s *site) *meddler {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	m := &meddler{q: openQueue(s, "work"), cancel: cancel, ended: make(chan error, 1)}
	go func() { m.ended <- m.run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-m.ended; err != nil {
			s.t.Errorf("meddling with the queue: %v", err)
		}
		_ = m.q.Close()
	})
	return m
}

// stop ends it, so that its numbers can be read.
func (m *meddler) stop() {
	m.cancel()
	m.ended <- <-m.ended // for the test's cleanup
}

func (m *meddler) run(ctx context.Context) error {
	// Not more often: what is received counts, and at ten receives the queue takes a message for a dead letter.
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		messages, err := m.q.Receive(ctx, queue.ReceiveParams{Max: 2, Visibility: time.Second})
		for _, message := range messages {
			if err = m.meddle(context.WithoutCancel(ctx), message); err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (m *meddler) meddle(ctx context.Context, message queue.Message) error {
	n, err := strconv.ParseInt(message.ID, 10, 64) // messages are numbered
	if err != nil {
		return err
	}
	m.messages = max(m.messages, n)
	switch {
	case m.lost < m.messages/20:
		m.lost++
		err = m.q.Delete(ctx, []string{message.Receipt})
	case m.twice < m.messages/10:
		m.twice++
		err = m.q.Send(ctx, []queue.Outgoing{{Body: message.Body}})
		fallthrough
	default:
		err = errors.Join(err, m.q.ChangeVisibility(ctx, []queue.Change{{Receipt: message.Receipt}}))
	}
	if errors.Is(err, queue.ErrStaleReceipt) { // it took longer than the visibility timeout
		return nil
	}
	return err
}
