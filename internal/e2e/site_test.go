package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must come. It is far above what it takes on a busy machine.
const patience = 3 * time.Minute

// site is a folder with a configuration and the databases of one test; its archive may be shared.
type site struct {
	t       *testing.T
	dir     string // working folder of every process
	archive string // empty on the aws backend
	cloud   *cloud // nil on the local backend
	// prepare changes a process before it starts; may be nil
	prepare func(*exec.Cmd)
}

// newSite writes a configuration: the places, then what the test needs of the worker and of the protocols.
func newSite(t *testing.T, archive, worker, protocols string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), archive: archive}
	if archive == "" {
		s.archive = filepath.Join(s.dir, "archive")
	}
	s.configure(worker, protocols)
	if err := os.MkdirAll(filepath.Join(s.archive, "logs"), 0o750); err != nil {
		t.Fatal(err)
	}
	return s
}

// configure writes the configuration.
func (s *site) configure(worker, protocols string) {
	s.t.Helper()
	places := fmt.Sprintf("local: {dir: state, archive: %q}", s.archive)
	if s.cloud != nil {
		places = s.cloud.places()
	}
	s.writeConfig("reprise.yaml", places, worker, protocols)
}

func (s *site) writeConfig(file, places, worker, protocols string) {
	s.t.Helper()
	s.write(filepath.Join(s.dir, file), fmt.Appendf(nil, "%s\nworker: {%s}\nprotocols:\n%s", places, worker, protocols))
}

// put writes an object of the archive.
func (s *site) put(key string, content []byte) {
	s.t.Helper()
	if s.cloud != nil {
		s.cloud.put(s.t, key, content)
		return
	}
	s.write(filepath.Join(s.archive, filepath.FromSlash(key)), content)
}

func (s *site) write(file string, content []byte) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// command prepares a process of the program: in the site's folder, with no variable that would change what it does.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "REPRISE_") })
	cmd.Env = append(cmd.Env, "TZ=UTC")
	if s.prepare != nil {
		s.prepare(cmd)
	}
	return cmd
}

// result is what came of a command.
type result struct {
	code     int
	out, err string
}

// run runs a command to its end.
func (s *site) run(args ...string) result {
	s.t.Helper()
	var out, err bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &err
	code := exitCode(s.t, cmd.Run())
	return result{code, out.String(), err.String()}
}

// must runs a command that has to end well, and returns its standard output.
func (s *site) must(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 0 {
		s.t.Fatalf("reprise %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// start opens a replay and returns its id.
func (s *site) start(args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(s.must(append([]string{"start"}, args...)...))
}

// until asks again and again, with a pause between, until ok says yes.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	limit, pause := patience, 30*time.Millisecond
	if s.cloud != nil { // a look takes several calls, and a fault costs the time of a back-off
		limit, pause = 3*patience, 300*time.Millisecond
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(pause)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			s.t.Fatalf("waited %v for %s\n%s", limit, what, s.run("status").out)
		case <-again.C:
		}
	}
}

// status is what the tests read of status --json.
type status struct {
	Replay  string `json:"replay"`
	State   string `json:"state"`
	Waits   string `json:"waits_for"`
	Objects struct {
		Listed     int64 `json:"listed"`
		ListedAll  bool  `json:"listed_all"`
		Pending    int64 `json:"pending"`
		Processing int64 `json:"processing"`
		Finished   int64 `json:"finished"`
		Failed     int64 `json:"failed"`
		Unmatched  int64 `json:"unmatched"`
	} `json:"objects"`
	Lines accounts `json:"lines"`
	Bytes struct {
		Listed int64 `json:"listed"`
		Read   int64 `json:"read"`
	} `json:"bytes"`
	Protocols []struct {
		Protocol   string `json:"protocol"`
		Generation int64  `json:"generation"`
		Counted    int64  `json:"counted"`
	} `json:"protocols"`
	Fold struct {
		Parts    int64 `json:"parts"`
		Finished int64 `json:"finished"`
	} `json:"fold"`
	Workers        int      `json:"workers"`
	LinesPerSecond float64  `json:"lines_per_second"`
	SecondsLeft    *float64 `json:"seconds_left"`
	Queue          struct {
		Visible  int64 `json:"visible"`
		InFlight int64 `json:"in_flight"`
		Delayed  int64 `json:"delayed"`
	} `json:"queue"`
	DeadLetters int64 `json:"dead_letters"`
	Accepted    int64 `json:"accepted_failed"`
}

// accounts are those of promise P2.
type accounts struct {
	Read        int64 `json:"read"`
	Counted     int64 `json:"counted"`
	AfterCutoff int64 `json:"after_cutoff"`
	Rejected    int64 `json:"rejected"`
	Blank       int64 `json:"blank"`
}

// object is what the tests read of objects --json.
type object struct {
	Key        string `json:"key"`
	State      string `json:"state"`
	Line       int64  `json:"line"`
	NoProgress int    `json:"no_progress"`
	Error      string `json:"error"`
	Owner      string `json:"owner"`
	accounts
}

func (a *accounts) add(b accounts) {
	a.Read += b.Read
	a.Counted += b.Counted
	a.AfterCutoff += b.AfterCutoff
	a.Rejected += b.Rejected
	a.Blank += b.Blank
}

// certificate is what the tests read of certify --json.
type certificate struct {
	State   string `json:"state"`
	Objects struct {
		Listed   int64    `json:"listed"`
		Finished int64    `json:"finished"`
		Failed   []string `json:"failed"`
		LeftOut  int64    `json:"left_out"`
	} `json:"objects"`
	Lines     accounts `json:"lines"`
	Protocols []struct {
		Protocol string `json:"protocol"`
		Counted  int64  `json:"counted"`
		Folded   struct {
			Lines int64 `json:"lines"`
		} `json:"folded"`
		Lines accounts `json:"lines"`
	} `json:"protocols"`
	Accepted *struct {
		By string `json:"by"`
	} `json:"accepted"`
	Faults []string `json:"faults"`
}

// read decodes the JSON that a command prints.
func read[T any](s *site, args ...string) (v T) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.must(args...)), &v); err != nil {
		s.t.Fatalf("reprise %s: %v", strings.Join(args, " "), err)
	}
	return v
}

func (s *site) status() status { s.t.Helper(); return read[status](s, "status", "--json") }

// objects lists a replay's objects.
func (s *site) objects(args ...string) []object {
	s.t.Helper()
	var objects []object
	d := json.NewDecoder(strings.NewReader(s.must(append([]string{"objects", "--json"}, args...)...)))
	for d.More() {
		var o object
		if err := d.Decode(&o); err != nil {
			s.t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// finished waits for the newest replay's end and checks its certificate.
func (s *site) finished() certificate {
	s.t.Helper()
	s.until("the replay to be FINISHED", func() bool { return s.status().State == "FINISHED" })
	return s.certified()
}

// certified checks that the accounts close.
func (s *site) certified() certificate {
	s.t.Helper()
	c := read[certificate](s, "certify", "--json")
	if len(c.Faults) > 0 || c.State != "FINISHED" {
		s.t.Errorf("the certificate of a replay that is %s has faults: %q", c.State, c.Faults)
	}
	return c
}

// acceptFailed leaves out what has failed.
func (s *site) acceptFailed() {
	s.t.Helper()
	r := s.run("finish", "--accept-failed")
	if st := s.status(); r.code != 0 || st.Accepted == 0 {
		s.t.Fatalf("finish --accept-failed: exit code %d, %d accepted\n%s%s", r.code, st.Accepted, r.out, r.err)
	}
}
