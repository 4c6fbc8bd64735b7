package realservers

import (
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A server has this long to end by itself; a killed one has this long until its output is given up.
const stopGrace = 5 * time.Second

// process is a running server with its folder. Stop ends it.
type process struct {
	launch launch
	folder *folder
	output *tail
	done   chan struct{} // closed when the process has ended and was waited for
	exit   error         // how it ended; read after done
	once   sync.Once
}

func startProcess(build func(dir string) (launch, error)) (*process, error) {
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	l, err := build(f.path)
	if err != nil {
		f.remove()
		return nil, err
	}
	p := &process{launch: l, folder: f, output: newTail(l.says), done: make(chan struct{})}
	l.command.Dir = f.path
	if l.command.Env == nil {
		l.command.Env = Environ()
	}
	l.command.Stdout, l.command.Stderr = p.output, p.output
	l.command.WaitDelay = stopGrace
	l.command.SysProcAttr = attributes()
	if err := spawn(l.command); err != nil {
		f.remove()
		return nil, fmt.Errorf("starting %s: %w", l.command.Path, err)
	}
	go func() {
		defer close(p.done)
		p.exit = l.command.Wait()
	}()
	return p, nil
}

// ready waits until the server answers its own protocol and returns its base URL.
func (p *process) ready(probe func(base string) error, deadline time.Time) (string, error) {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	address := p.launch.address
	if address == "" {
		select {
		case port := <-p.output.found:
			address = "127.0.0.1:" + port
		case <-p.done:
			return "", p.failure("it ended: %v", p.exit)
		case <-timeout.C:
			return "", p.failure("it named no port in time")
		}
	}
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for {
		err := probe("http://" + address)
		if err == nil {
			return "http://" + address, nil
		}
		select {
		case <-again.C:
		case <-p.done:
			return "", p.failure("it ended: %v", p.exit)
		case <-timeout.C:
			return "", p.failure("it did not answer in time: %v", err)
		}
	}
}

func (p *process) failure(format string, args ...any) error {
	return fmt.Errorf("%s\n%s", fmt.Sprintf(format, args...), p.output)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the server, by force if it must, and removes its folder.
func (p *process) stop() {
	p.once.Do(func() {
		_ = p.launch.command.Process.Signal(syscall.SIGTERM)
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case <-p.done:
		case <-grace.C:
			_ = p.launch.command.Process.Kill()
			<-p.done
		}
		p.folder.remove()
	})
}

var (
	spawning sync.Once
	commands chan func()
)

// spawn starts the command on a thread that lives as long as the process: the kernel sends the death signal when the thread
// that forked ends, and Go ends threads when it likes.
func spawn(command *exec.Cmd) error {
	spawning.Do(func() {
		commands = make(chan func())
		go func() {
			runtime.LockOSThread()
			for run := range commands {
				run()
			}
		}()
	})
	result := make(chan error)
	commands <- func() { result <- command.Start() }
	return <-result
}

// tail keeps the end of a server's output, for the error message, and finds the port in it.
type tail struct {
	says  *regexp.Regexp
	found chan string // gets the port, once

	mu   sync.Mutex
	text []byte
	sent bool
}

const tailSize = 8 << 10

func newTail(says *regexp.Regexp) *tail { return &tail{says: says, found: make(chan string, 1)} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if t.says != nil && !t.sent {
		if m := t.says.FindSubmatch(t.text); m != nil {
			t.sent = true
			t.found <- string(m[1])
		}
	}
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
