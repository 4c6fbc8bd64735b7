package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// bar is one line on standard error that is written over and over: on a terminal only.
type bar struct {
	e    *environment
	on   bool
	what string
	last time.Time
}

func newBar(e *environment, what string) *bar { return &bar{e: e, on: isTerminal(e.err), what: what} }

// show writes the line, at most ten times a second.
func (b *bar) show(format string, args ...any) {
	if !b.on || time.Since(b.last) < 100*time.Millisecond {
		return
	}
	b.last = time.Now()
	fmt.Fprintf(b.e.err, "\r\x1b[K%s: %s", b.what, fmt.Sprintf(format, args...))
}

func (b *bar) counting(format string, n int64) { b.show(format, n) }

// stop takes the line away.
func (b *bar) stop() {
	if b.on && !b.last.IsZero() {
		fmt.Fprint(b.e.err, "\r\x1b[K")
	}
}

const barWidth = 30

// describe is a replay's progress in one line.
func describe(s replay.Status) string {
	share := 0.0
	if s.Bytes.Listed > 0 {
		share = min(float64(s.Bytes.Read)/float64(s.Bytes.Listed), 1)
	}
	filled := int(share * barWidth)
	line := make([]rune, 0, barWidth)
	for i := range barWidth {
		if i < filled {
			line = append(line, '█')
		} else {
			line = append(line, '░')
		}
	}
	left := ""
	if s.SecondsLeft != nil {
		left = fmt.Sprintf(", %s left", (time.Duration(*s.SecondsLeft * float64(time.Second))).Round(time.Second))
	}
	rate := ""
	if s.LinesPerSecond > 0 { // 0 until two commits can be compared
		rate = fmt.Sprintf(", %.0f lines/s", s.LinesPerSecond)
	}
	return fmt.Sprintf("%s %3.0f %% %s  %d/%d objects, %d lines%s%s", string(line), share*100, s.State,
		s.Objects.Finished, s.Objects.Listed, s.Lines.Read, rate, left)
}

// showProgress draws the newest replay's progress on a terminal until stop is called.
func showProgress(e *environment, a *app.App) (stop func()) {
	b := newBar(e, "replay")
	if !b.on {
		return func() {}
	}
	ctx, cancel := context.WithCancel(e)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			if replays, err := a.Ledger().Replays(ctx); err == nil && len(replays) > 0 && !replays[0].State.Ended() {
				if s, err := a.Replays().Status(ctx, replays[0].ID); err == nil {
					b.show("%s", describe(s))
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(lookAgain(time.Since(began))):
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		b.stop()
	}
}

// follow shows a replay's progress until it is over (nil) or held back (replay.ErrHeld). Where there is no terminal it
// says a line a minute. With asJSON it prints a status a line instead, whenever something has changed.
func follow(e *environment, a *app.App, id string, asJSON bool) error {
	b := newBar(e, "replay")
	b.on = b.on && !asJSON
	defer b.stop()
	said := time.Time{}
	var printed []byte
	for {
		began := time.Now()
		s, err := a.Replays().Status(e, id)
		if err != nil {
			return err
		}
		b.show("%s", describe(s))
		if asJSON {
			line, err := json.Marshal(s)
			if err != nil {
				return fmt.Errorf("printing the status: %w", err)
			}
			if !bytes.Equal(line, printed) {
				printed = line
				fmt.Fprintf(e.out, "%s\n", line)
			}
		} else if !b.on && time.Since(said) >= time.Minute {
			said = time.Now()
			fmt.Fprintln(e.err, describe(s))
		}
		if s.State.Ended() {
			b.stop()
			fmt.Fprintf(e.err, "%s %s\n", s.Replay, s.State)
			if s.State == ledger.Cancelled {
				return fmt.Errorf("%w: %s was cancelled", replay.ErrHeld, id)
			}
			return nil
		}
		held, err := a.Replays().Held(e)
		if err != nil {
			return err
		}
		for _, h := range held {
			if h.Replay == id && h.Held {
				return fmt.Errorf("%w: %s: %s", replay.ErrHeld, id, h.Why)
			}
		}
		select {
		case <-e.Done():
			return e.Err()
		case <-time.After(lookAgain(time.Since(began))):
		}
	}
}

// lookAgain is the pause after a look that took so long: what takes long reads many cursors, and costs money on AWS.
func lookAgain(took time.Duration) time.Duration { return max(time.Second/2, 20*took) }
