package e2e_test

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// meddler sends one message in ten twice and loses one in twenty, of all that the queue has ever had.
type meddler struct {
	q      queue.Queue
	seen   map[string]bool // messages, where they have no numbers: those that it has come across
	cancel context.CancelFunc
	ended  chan error

	messages, twice, lost int64 // to be read when it has ended
}

func startMeddler(s *site) *meddler {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	m := &meddler{cancel: cancel, ended: make(chan error, 1)}
	if s.cloud != nil {
		m.q, m.seen = s.cloud.openQueue(s.t, s.cloud.queue), map[string]bool{}
	} else {
		local := openQueue(s, "work")
		s.t.Cleanup(func() { _ = local.Close() })
		m.q = local
	}
	go func() { m.ended <- m.run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-m.ended; err != nil {
			s.t.Errorf("meddling with the queue: %v", err)
		}
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
	err := m.count(message.ID)
	if err != nil {
		return err
	}
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

// count keeps the number of messages that there have been.
func (m *meddler) count(id string) error {
	if m.seen != nil {
		m.seen[id] = true
		m.messages = int64(len(m.seen))
		return nil
	}
	n, err := strconv.ParseInt(id, 10, 64) // messages are numbered
	m.messages = max(m.messages, n)
	return err
}
