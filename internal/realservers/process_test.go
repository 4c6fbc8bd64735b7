package realservers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// childEnv says what a copy of this test binary, run by a test, is there for.
const childEnv = "REPRISE_REALSERVERS_CHILD"

// TestChild runs in the copies: it starts all servers, names their addresses, and waits for the end of its input.
func TestChild(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("only for the tests that run a copy of this binary")
	}
	for name, start := range map[string]func(testing.TB) string{
		"SQS": realservers.SQS, "DynamoDB": realservers.DynamoDB, "S3": realservers.S3, "Moto": realservers.Moto,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if base := start(t); !strings.HasPrefix(base, "http://127.0.0.1:") {
				t.Errorf("%s is not on loopback", base)
			}
		})
	}
	t.Cleanup(func() {
		line, err := json.Marshal(realservers.Addresses())
		if err != nil {
			t.Error(err)
		}
		_, _ = os.Stdout.Write(append(line, '\n'))
		_, _ = io.Copy(io.Discard, os.Stdin)
	})
}

// child is a copy of this binary with servers of its own and its own folder for temporary files.
type child struct {
	command   *exec.Cmd
	temp      string
	stdin     io.WriteCloser
	addresses map[string]string
}

func startChild(t *testing.T, temp string) *child {
	t.Helper()
	c := &child{command: childCommand("run", "^TestChild$", "TMPDIR="+temp), temp: temp}
	var err error
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.command.Process.Kill()
		_ = c.command.Wait()
	})
	var output strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "{") {
			if err := json.Unmarshal(lines.Bytes(), &c.addresses); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the child
			return c
		}
		output.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the child started no servers:\n%s", &output)
	return nil
}

func childCommand(purpose, tests string, env ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], "-test.run="+tests, "-test.v", "-test.timeout=5m")
	command.Env = append(append(os.Environ(), childEnv+"="+purpose), env...)
	return command
}

// listens says whether anything takes connections there.
func listens(base string) bool {
	connection, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err == nil {
		_ = connection.Close()
	}
	return err == nil
}

func folders(t *testing.T, temp string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(temp, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestMainLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	needAll(t)
	c := startChild(t, t.TempDir())
	if len(c.addresses) != 4 || len(folders(t, c.temp)) != 4 {
		t.Fatalf("want four servers with a folder each, got %v and %v", c.addresses, folders(t, c.temp))
	}
	_ = c.stdin.Close()
	if err := c.command.Wait(); err != nil {
		t.Fatal(err)
	}
	for name, base := range c.addresses {
		if listens(base) {
			t.Errorf("%s still listens on %s", name, base)
		}
	}
	if left := folders(t, c.temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestServersOfAKilledProcessAreGone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills the children of a killed process")
	}
	needAll(t)
	temp := t.TempDir()
	c := startChild(t, temp)
	if err := c.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.command.Wait()
	// The kernel takes its time, that of a large process most of all.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.Now().Add(patience)
	for name, base := range c.addresses {
		for ; listens(base); <-again.C {
			if time.Now().After(deadline) {
				t.Fatalf("%s still listens on %s", name, base)
			}
		}
	}

	// Its folders are the next process's to remove, once they look old.
	hourAgo := time.Now().Add(-time.Hour)
	left := folders(t, temp)
	if len(left) != len(c.addresses) {
		t.Fatalf("want a folder of each server to be left, got %v", left)
	}
	for _, path := range left {
		if err := os.Chtimes(path, hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
	}
	next := startChild(t, temp)
	for _, path := range left {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	_ = next.stdin.Close()
	if err := next.command.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMissingServersSkipOrFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, require, want string
		ok                  bool
	}{
		{name: "skip", require: "", want: "--- SKIP: TestChild/S3", ok: true},
		{name: "fail", require: "all", want: "--- FAIL: TestChild/S3", ok: false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			output, err := childCommand("run", "^TestChild$/^S3$", "REPRISE_SERVERS="+t.TempDir(), "REPRISE_REQUIRE="+c.require).CombinedOutput()
			if (err == nil) != c.ok || !strings.Contains(string(output), c.want) || !strings.Contains(string(output), "make servers") {
				t.Errorf("ended with %v:\n%s", err, output)
			}
		})
	}
}

func TestWithoutMainIsRefused(t *testing.T) {
	t.Parallel()
	output, err := childCommand("unmanaged", "^TestChild$/^S3$").CombinedOutput()
	if err == nil || !strings.Contains(string(output), "realservers.Main(m)") {
		t.Errorf("ended with %v:\n%s", err, output)
	}
}

// needAll skips the test where a server is missing, before a copy of this binary does.
func needAll(t *testing.T) {
	t.Helper()
	realservers.SQS(t)
	realservers.DynamoDB(t)
	realservers.S3(t)
	realservers.Moto(t)
}
