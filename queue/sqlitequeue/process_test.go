package sqlitequeue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// childEnv makes the test binary run one of the children instead of the tests.
const childEnv = "SQLITEQUEUE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if err := child(role, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// held is how long a message is invisible that a child received and did not delete.
const held = 2 * time.Second

// child is a process that works on the queue.
func child(role, path string) error {
	ctx := context.Background()
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "work"})
	if err != nil {
		return err
	}
	for {
		messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 3, Wait: time.Second, Visibility: held})
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			return q.Close()
		}
		for _, m := range messages {
			fmt.Println(string(m.Body))
			if role == "hold" {
				continue
			}
			if err := q.Delete(ctx, []string{m.Receipt}); err != nil {
				return err
			}
		}
		if role == "hold" {
			<-ctx.Done() // until it is killed
		}
	}
}

// start runs a child, which ends with the test.
func start(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// TestProcesses has one process killed while it holds messages, and three that then do all the work.
func TestProcesses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "queue.db")
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "work"})
	check(t, err)
	t.Cleanup(func() { check(t, q.Close()) })
	const n = 90
	for i := range n {
		check(t, q.Send(ctx, []queue.Outgoing{{Body: fmt.Appendf(nil, "%03d", i)}}))
	}

	killed, lines := start(t, "hold", path)
	lost := map[string]bool{}
	for len(lost) < 3 && lines.Scan() {
		lost[lines.Text()] = true
	}
	check(t, killed.Process.Kill()) // SIGKILL
	if len(lost) != 3 {
		t.Fatalf("the process held %d messages, want 3", len(lost))
	}

	seen := map[string]int{}
	var outs []*bufio.Scanner
	var cmds []*exec.Cmd
	for range 3 {
		cmd, out := start(t, "work", path)
		outs, cmds = append(outs, out), append(cmds, cmd)
	}
	for i, out := range outs {
		for out.Scan() {
			seen[out.Text()]++
		}
		if err := cmds[i].Wait(); err != nil {
			t.Error(err)
		}
	}
	// What is left is what the killed process held, where the others found the queue empty before it came back.
	for len(seen) < n {
		messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: 2 * held, Visibility: time.Minute})
		check(t, err)
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			if !lost[string(m.Body)] || m.Receives != 2 {
				t.Errorf("%s came late, received %d times", m.Body, m.Receives)
			}
			seen[string(m.Body)]++
			check(t, q.Delete(ctx, []string{m.Receipt}))
		}
	}
	for body, times := range seen {
		if times != 1 {
			t.Errorf("%s was worked on %d times", body, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d messages were worked on, want %d", len(seen), n)
	}
	if c, err := q.Counts(ctx); err != nil || !c.Idle() {
		t.Errorf("counts = %+v, %v, want nothing", c, err)
	}
}
