package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a daemon of a site. Whatever the test does, it has ended when the test has.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	err  output
	once sync.Once
	code int
}

// daemon starts a process that runs until it is stopped.
func (s *site) daemon(args ...string) *process {
	s.t.Helper()
	return s.daemonTo(nil, args...)
}

// daemonTo is daemon with a place for its standard output, to be read when the process has ended.
func (s *site) daemonTo(out io.Writer, args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, name: strings.Join(args, " "), cmd: s.command(args...)}
	p.cmd.Stdout, p.cmd.Stderr = out, &p.err
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("reprise %s, process %d:\n%s", p.name, p.cmd.Process.Pid, p.err.String())
		}
	})
	return p
}

// wait waits for the process's end and returns its exit code, -1 for a signal. A process that does not end is killed.
func (p *process) wait() int {
	p.t.Helper()
	p.once.Do(func() {
		hung := time.AfterFunc(patience, func() {
			p.t.Errorf("reprise %s does not end", p.name)
			_ = p.cmd.Process.Kill()
		})
		defer hung.Stop()
		p.code = exitCode(p.t, p.cmd.Wait())
	})
	return p.code
}

// kill ends the process as a lost machine does. One that has ended already is what is wanted.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

// stop asks the process to end, and it must end well.
func (p *process) stop(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Errorf("stopping reprise %s: %v", p.name, err)
	}
	if code := p.wait(); code != 0 {
		p.t.Errorf("reprise %s ends with exit code %d after %v\n%s", p.name, code, signal, p.err.String())
	}
}

// said is what a worker's log says of one message.
type said struct {
	Message string `json:"msg"`
	Object  string `json:"object"`
	Line    int64  `json:"line"`
	Read    int64  `json:"lines_read"`
	Verdict string `json:"verdict"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"`
}

// said reads a process's log. What a killed process had half written is no line.
func (p *process) said() []said {
	var all []said
	for line := range bytes.Lines([]byte(p.err.String())) {
		var one said
		if json.Unmarshal(line, &one) == nil && one.Message == "message" {
			all = append(all, one)
		}
	}
	return all
}

// output is a buffer that may be read while the process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// The signals that ask a process to end: somebody's ctrl-C, and an orchestrator's.
const (
	interrupt = syscall.SIGINT
	terminate = syscall.SIGTERM
)
