package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const module = "github.com/seed-56345083/reprise"

// patience is how long a command may take, far above what it takes on a busy machine.
const patience = 4 * time.Minute

// TestProgram builds this example as a module of its own, which knows reprise as any other module does, and lets it replay an
// archive; then it counts lines live, archives them, and replays that.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := build(t, string(read(t, "syslog.go")))
	t.Run("replay", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, program, "")
		var c count
		for i := range 5 {
			s.put(fmt.Sprintf("2024/03/%02d.log", i+1), c.lines(uint64(i), 4000), i%2 == 1)
		}
		s.run("", "config", "check")
		s.run("", "start")
		s.run("", "run", "--once")
		s.run("", "certify")
		s.compare(&c)
		if c.bad == 0 || c.blank == 0 {
			t.Errorf("%d bad lines, %d blank ones", c.bad, c.blank)
		}
	})
	t.Run("live", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, program, "live: {}\n")
		var c count
		s.ingest(c.lines(11, 600))
		s.run("", "live", "--once")
		s.compare(&c)
		s.run("", "archive", "--once", "--force")
		s.ingest(c.lines(12, 300)) // these are counted live alone
		s.run("", "live", "--once")
		s.compare(&c)
		s.run("", "start")
		s.run("", "run", "--once")
		s.run("", "certify")
		s.compare(&c)
	})
}

// TestOtherVersion: a program with another version of the consumer does not count for the generation that there is, says so, and
// reads its rows all the same. Nothing is lost: the program with the right version counts what was left.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	source := string(read(t, "syslog.go"))
	changed := strings.Replace(source, `return "1"`, `return "2"`, 1)
	if changed == source {
		t.Fatal("the example's version is not where it was")
	}
	s := newSite(t, build(t, source), "live: {}\n")
	other := s
	other.program = build(t, changed)
	var c count
	s.ingest(c.lines(21, 400))
	s.run("", "live", "--once")
	s.compare(&c)
	before := s.run("", "stats", "syslog", "messages", "--csv")

	other.ingest(c.lines(22, 200))
	if _, said := other.exits(1, "", "live", "--once"); !strings.Contains(said, `does not have the Go consumer syslog in version "1"; it has 2`) {
		t.Errorf("the other program says\n%s", said)
	}
	if now := other.run("", "stats", "syslog", "messages", "--csv"); now != before {
		t.Errorf("the other program has counted:\n%s\nbefore it was\n%s", now, before)
	}
	s.run("", "live", "--once")
	other.compare(&c)
}

// build builds the example, with this source of the consumer, outside of its module, from nothing but what is on this machine.
func build(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), read(t, "main.go"))
	write(t, filepath.Join(dir, "syslog.go"), []byte(source))
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The same requirements as here, so that nothing has to be fetched that is not there.
	requirements, found := bytes.CutPrefix(read(t, "../../go.mod"), []byte("module "+module+"\n"))
	if !found {
		t.Fatal("go.mod does not begin with its module")
	}
	write(t, filepath.Join(dir, "go.mod"), fmt.Appendf(nil, "module example.org/logs\n%s\nrequire %s v0.0.0\nreplace %[2]s => %q\n", requirements, module, root))
	write(t, filepath.Join(dir, "go.sum"), read(t, "../../go.sum"))
	program := filepath.Join(dir, "reprise-syslog")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the example: %v\n%s", err, out)
	}
	return program
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// site is a folder with the example's configuration.
type site struct {
	t            *testing.T
	program, dir string
}

func newSite(t *testing.T, program, more string) site {
	t.Helper()
	s := site{t, program, t.TempDir()}
	write(t, filepath.Join(s.dir, "reprise.yaml"), append([]byte(more), read(t, "reprise.yaml")...))
	if err := os.MkdirAll(filepath.Join(s.dir, ".reprise/archive"), 0o750); err != nil {
		t.Fatal(err)
	}
	return s
}

// put writes an object of the archive.
func (s site) put(name string, lines []string, packed bool) {
	s.t.Helper()
	var b bytes.Buffer
	text := strings.Join(lines, "\n") + "\n"
	if packed {
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(text))
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			s.t.Fatal(err)
		}
	} else {
		b.WriteString(text)
	}
	write(s.t, filepath.Join(s.dir, ".reprise/archive/logs/syslog", filepath.FromSlash(name)), b.Bytes())
}

// run runs a command, which must end well, and returns its standard output.
func (s site) run(input string, args ...string) string {
	s.t.Helper()
	stdout, _ := s.exits(0, input, args...)
	return stdout
}

// exits runs a command that must end with an exit code.
func (s site) exits(want int, input string, args ...string) (stdout, stderr string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.dir, strings.NewReader(input), &out, &errs
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "REPRISE_") })
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != want { // -1 where it did not start, or was killed
		s.t.Fatalf("%s: exit code %d, want %d (%v)\n%s%s", strings.Join(args, " "), code, want, err, &out, &errs)
	}
	return out.String(), errs.String()
}

// ingest hands lines to the incoming table, which takes no bad ones and says so.
func (s site) ingest(lines []string) {
	s.t.Helper()
	s.exits(3, strings.Join(lines, "\n")+"\n", "ingest", "syslog")
}

// count is what the lines that it makes must add up to, kept while they are made.
type count struct {
	messages map[string]*messages
	errors   map[string]*failures
	bad      int
	blank    int
}

type messages struct {
	n, bytes, worst int
	last            string
}

type failures struct {
	n   int
	ids map[string]bool
}

// lines makes n lines, the same for the same seed; some are bad, some blank.
func (c *count) lines(seed uint64, n int) []string {
	random := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // a generator of test data
	began := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	names := map[int]string{0: "kern", 3: "daemon", 4: "auth", 10: "authpriv", 23: "local7"}
	numbers := []int{0, 3, 4, 10, 23}
	data := []string{"-", `[meta@32473 seq="7"]`, `[a@32473 text="a ] and \" and \\"][b@32473]`}
	lines := make([]string, n)
	for i := range lines {
		switch i % 40 {
		case 7:
			c.bad++
			lines[i] = "<13>Mar  1 00:00:00 host-1 app: the old format"
			continue
		case 23:
			c.blank++
			continue
		}
		ts := began.Add(time.Duration(random.IntN(1e6)) * 300 * time.Millisecond)
		host, app, id := fmt.Sprintf("host-%d", random.IntN(20)), fmt.Sprintf("app-%d", random.IntN(7)), fmt.Sprintf("ID%d", random.IntN(50))
		facility, severity := numbers[random.IntN(len(numbers))], random.IntN(8)
		lines[i] = fmt.Sprintf("<%d>1 %s %s %s %d %s %s message %d", 8*facility+severity, ts.Format("2006-01-02T15:04:05.000Z"),
			host, app, random.IntN(9999), id, data[random.IntN(len(data))], i)
		c.add(strings.Join([]string{ts.Format("2006-01-02T15:00:00Z"), host, names[facility]}, ","), len(lines[i]), severity, ts, app, id)
	}
	return lines
}

func (c *count) add(key string, size, severity int, ts time.Time, app, id string) {
	if c.messages == nil {
		c.messages, c.errors = map[string]*messages{}, map[string]*failures{}
	}
	m := c.messages[key]
	if m == nil {
		m = &messages{worst: severity}
		c.messages[key] = m
	}
	m.n++
	m.bytes += size
	m.worst = min(m.worst, severity)
	m.last = max(m.last, ts.Format("2006-01-02T15:04:05.000Z"))
	if severity > 3 {
		return
	}
	if c.errors[app] == nil {
		c.errors[app] = &failures{ids: map[string]bool{}}
	}
	c.errors[app].n++
	c.errors[app].ids[id] = true
}

// compare holds what the program prints against the count.
func (s site) compare(c *count) {
	s.t.Helper()
	want := []string{"hour,host,facility,messages,bytes,worst,last"}
	for key, m := range c.messages {
		want = append(want, fmt.Sprintf("%s,%d,%d,%d,%s", key, m.n, m.bytes, m.worst, m.last))
	}
	s.equal("messages", want)
	want = []string{"app,messages,ids"}
	for app, f := range c.errors {
		want = append(want, app+","+strconv.Itoa(f.n)+","+strconv.Itoa(len(f.ids)))
	}
	s.equal("errors", want)
}

func (s site) equal(statistic string, want []string) {
	s.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(s.run("", "stats", "syslog", statistic, "--csv"))).ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, strings.Join(row, ","))
	}
	slices.Sort(want[1:])
	slices.Sort(got[min(1, len(got)):])
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			s.t.Fatalf("%s: %d rows, want %d: %s is missing", statistic, len(got), len(want), want[i])
		case i >= len(want) || got[i] != want[i]:
			s.t.Fatalf("%s: row %d is %s, want %s", statistic, i, got[i], append(want, "none")[min(i, len(want))])
		}
	}
}
