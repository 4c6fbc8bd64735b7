package sqlitedb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// childEnv makes the test binary run one of the children instead of the tests.
const childEnv = "SQLITEDB_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if err := child(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is what a child process does: open the file, say so, wait for the word, write, tell the longest wait.
func child(role string, args []string) error {
	ctx := context.Background()
	db, err := sqlitedb.Open(ctx, args[0], schema)
	if err != nil {
		return err
	}
	switch role {
	case "count": // adds 1 as often as args[1] says
		fmt.Println("ready")
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return err
		}
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		var longest time.Duration
		for range n {
			begin := time.Now()
			if err := increment(ctx, db); err != nil {
				return err
			}
			longest = max(longest, time.Since(begin))
		}
		fmt.Println(longest.Microseconds())
		return db.Close()
	case "flood": // adds 1 and tells each value that was committed, until it is killed
		for n := 1; ; n++ {
			if err := increment(ctx, db); err != nil {
				return err
			}
			fmt.Println(n)
		}
	default: // "hold": takes the write lock and keeps it until it is killed or its standard input ends
		return db.Tx(ctx, func(tx *sqlitedb.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE t SET v = -1"); err != nil {
				return err
			}
			fmt.Println("ready")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		})
	}
}

func increment(ctx context.Context, db *sqlitedb.DB) error {
	return db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		var v int
		if err := tx.QueryRowContext(ctx, "SELECT v FROM t WHERE k = 0").Scan(&v); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE t SET v = ? WHERE k = 0", v+1)
		return err
	})
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start runs a child and ends it with the test.
func start(t testing.TB, role string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+role)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// line waits for the child's next line.
func (p *process) line(t testing.TB) string {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the child ended: %v, %v", p.out.Err(), p.cmd.Wait())
	}
	return p.out.Text()
}

// compete has n processes open the file at the same moment and add each times 1 each, and returns the longest wait.
func compete(t testing.TB, path string, n, each int) (took, longest time.Duration) {
	t.Helper()
	children := make([]*process, n)
	for i := range children {
		children[i] = start(t, "count", path, strconv.Itoa(each))
	}
	for _, c := range children {
		if got := c.line(t); got != "ready" {
			t.Fatalf("the child said %q", got)
		}
	}
	begin := time.Now()
	for _, c := range children {
		if _, err := io.WriteString(c.in, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range children {
		us, err := strconv.Atoi(c.line(t))
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Duration(us)*time.Microsecond)
		took = time.Since(begin)
	}
	for _, c := range children {
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	return took, longest
}

func TestProcessesShareAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db") // missing: all of them create it
	compete(t, path, 4, 50)
	if got := value(t, open(t, path, schema), "SELECT v FROM t"); got != "200" {
		t.Errorf("v = %s, want 200", got)
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	child := start(t, "flood", path)
	for range 50 {
		child.line(t)
	}
	if err := child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	told := 50
	for child.out.Scan() { // what it still told
		told++
	}
	_ = child.cmd.Wait()
	v, err := strconv.Atoi(value(t, open(t, path, schema), "SELECT v FROM t"))
	if err != nil || v < told || v > told+1 {
		t.Errorf("v = %d (%v), the killed process was told that %d were committed", v, err, told)
	}
}

func TestLockHeldByAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema)
	holder := start(t, "hold", path)
	holder.line(t)
	if got := value(t, db, "SELECT v FROM t"); got != "0" {
		t.Errorf("while another process writes v = %s, want the old 0", got)
	}
	open(t, path, schema)         // an up-to-date file is opened without the lock
	const meets = 2 * time.Second // enough to meet the lock, on a machine that is busy too
	ctx, cancel := context.WithTimeout(context.Background(), meets)
	defer cancel()
	err := increment(ctx, db)
	if err == nil || ctx.Err() == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("with a deadline: %v", err)
	}
	impatient := open(t, path, schema)
	impatient.SetLockWait(50 * time.Millisecond)
	if err := increment(context.Background(), impatient); !sqlitedb.IsBusy(err) || !strings.Contains(err.Error(), path) ||
		!strings.Contains(err.Error(), "another process has held its lock") {
		t.Errorf("after the longest wait: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- increment(context.Background(), db) }()
	if err := holder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("after the holder was killed: %v", err)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "1" {
		t.Errorf("v = %s, want 1: what the killed process wrote is gone", got)
	}
}

func BenchmarkTx(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "x.db"), schema)
	for b.Loop() {
		if err := increment(context.Background(), db); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTxProcesses measures small transactions of several processes at once, and the longest wait of one of them.
func BenchmarkTxProcesses(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			took, longest := compete(b, filepath.Join(b.TempDir(), "x.db"), n, max(1, b.N/n))
			b.ReportMetric(float64(b.N)/took.Seconds(), "tx/s")
			b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
		})
	}
}
