package sqliteledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

type cursor = ledger.Cursor

const (
	replay    = "01JREPLAY0000000000000000A"
	objects   = 200
	processes = 4

	// workerFile in the environment turns the test binary into a worker on that file.
	workerFile, workerName = "SQLITELEDGER_TEST_FILE", "SQLITELEDGER_TEST_WORKER"
)

var epoch = time.Date(2026, 3, 24, 12, 0, 0, 1, time.UTC)

func someCursor(key string) cursor {
	return cursor{
		CursorID: ledger.CursorID{Replay: replay, Key: key}, Protocol: "dns", State: ledger.Pending, Line: 3, ETag: "e", Size: 9,
		StateChange: epoch, Frame: ledger.Frame{Offset: 1, Line: 2, Codec: "gzip"}, Partial: []byte{1, 0, 2},
		Rejects: []ledger.Reject{{Line: 1, Reason: "bad"}}, Segments: []ledger.Segment{{Epoch: 1, From: 0, To: 2, Bytes: 3}},
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(workerFile); path != "" {
		if err := work(path, os.Getenv(workerName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestProcesses lets four processes claim and commit 200 cursors in one file, two commits each, and kills one of them in
// the middle. A worker says on its standard output what it is about to commit and what succeeded; counted from that,
// every cursor was finished exactly once, and at every line the cursor moved once.
func TestProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	var list []cursor
	for i := range objects {
		c := someCursor(fmt.Sprintf("dns/%04d.gz", i))
		c.Line, c.Partial, c.Rejects, c.Segments = 0, nil, nil, nil
		list = append(list, c)
	}
	if err := l.Insert(t.Context(), list); err != nil {
		t.Fatal(err)
	}

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	type outcome struct {
		said []string
		err  error
	}
	outcomes := make(chan outcome, processes)
	ready := make(chan struct{}, processes)
	var gates []io.Closer // open until all are ready: none is done before the last one begins
	for n := range processes {
		cmd := exec.CommandContext(ctx, exe)
		cmd.Env = append(os.Environ(), workerFile+"="+path, workerName+"="+fmt.Sprint(n))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gates = append(gates, in)
		go func() {
			var said []string
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if lines.Text() == "ready" {
					ready <- struct{}{}
				}
				said = append(said, lines.Text())
				if n == 0 && len(said) == 12 {
					_ = cmd.Process.Kill() // SIGKILL
				}
			}
			err := cmd.Wait()
			if n == 0 { // killed, as it should be
				if err == nil {
					err = errors.New("the process ended before it was killed")
				} else {
					err = nil
				}
			}
			outcomes <- outcome{said, err}
		}()
	}
	for range processes {
		select {
		case <-ready:
		case <-ctx.Done():
			t.Fatal("the processes do not start")
		}
	}
	for _, gate := range gates {
		_ = gate.Close()
	}
	done, trying := map[string]int{}, map[string]int{}
	for range processes {
		o := <-outcomes
		if o.err != nil {
			t.Error(o.err)
		}
		for _, s := range o.said {
			verb, what, _ := strings.Cut(s, " ")
			switch verb {
			case "try":
				trying[what]++
			case "fenced":
				trying[what]--
			case "done":
				trying[what]--
				done[what]++
			default: // ready; and the last line of the killed one may be cut off
			}
		}
	}

	unknown := 0
	for _, c := range list {
		got, err := l.Cursor(t.Context(), c.CursorID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != ledger.Finished || got.Line != 20 || got.Counted != 20 || string(got.Partial) != "20" {
			t.Errorf("%s is %s at line %d with %d counted and partial %q", got.Key, got.State, got.Line, got.Counted, got.Partial)
		}
		for _, to := range []string{"10", "20"} {
			what := got.Key + " " + to
			// A commit whose process died before it could tell happened or not; nobody else made it then.
			if done[what] == 0 && trying[what] == 1 {
				unknown++
				continue
			}
			if done[what] != 1 {
				t.Errorf("%s was committed %d times", what, done[what])
			}
		}
	}
	if unknown > 1 {
		t.Errorf("%d commits are unknown, but only one process was killed", unknown)
	}
}

// work claims and commits until every object is FINISHED. Its clock is a count that lets an owner's time be over soon,
// so that the dead process's cursor is taken over, and living ones' too: the fence holds either way.
func work(path, name string) error {
	ctx := context.Background()
	l, err := sqliteledger.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the test lets all of them begin
		return err
	}
	now := epoch
	for {
		open := 0
		p := ledger.ScanParams{Replay: replay, States: []ledger.State{ledger.Pending, ledger.Processing}}
		for c, err := range l.Scan(ctx, p) {
			if err != nil {
				return err
			}
			open++
			now = now.Add(time.Second)
			if err := process(ctx, l, c.CursorID, name, now); err != nil {
				return err
			}
		}
		if open == 0 {
			return nil
		}
	}
}

// process moves one cursor on by ten lines, to its end at 20.
func process(ctx context.Context, l *sqliteledger.Ledger, id ledger.CursorID, name string, now time.Time) error {
	c, err := l.Claim(ctx, ledger.Claim{ID: id, Owner: name, Now: now, Until: now.Add(20 * time.Second)})
	if errors.Is(err, ledger.ErrOwned) || errors.Is(err, ledger.ErrFinished) {
		return nil
	}
	if err != nil {
		return err
	}
	to := c.Line + 10
	commit := ledger.Commit{
		ID: id, Epoch: c.Epoch, From: c.Line, To: to, State: ledger.Pending, Now: now,
		Accounts: ledger.Accounts{Read: to, Counted: to}, Partial: []byte(fmt.Sprint(to)),
	}
	if to == 20 {
		commit.State = ledger.Finished
	}
	fmt.Printf("try %s %d\n", id.Key, to)
	err = l.Commit(ctx, commit)
	switch {
	case errors.Is(err, ledger.ErrFenced):
		fmt.Printf("fenced %s %d\n", id.Key, to)
		return nil
	case err != nil:
		return err
	}
	fmt.Printf("done %s %d\n", id.Key, to)
	return nil
}
