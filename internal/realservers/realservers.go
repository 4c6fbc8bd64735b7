package realservers

import (
	_ "embed" // for the launcher of fauxqs
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What every server accepts.
const (
	Region    = "us-east-1"
	AccessKey = "REPRISETEST" // letters and digits: DynamoDB Local refuses anything else
	SecretKey = "reprise-test-secret"
)

// A loaded machine starts a JVM twenty times slower than an idle one.
const startDeadline = 2 * time.Minute

//go:embed launch/fauxqs.mjs
var fauxqsScript string

var (
	managed atomic.Bool // Main runs the tests, so somebody stops the servers
	fauxqs  = server{name: "fauxqs", launch: launchFauxqs, probe: probeJSON("sqs", "AmazonSQS.ListQueues")}
	dynamo  = server{name: "DynamoDB Local", launch: launchDynamoDB, probe: probeJSON("dynamodb", "DynamoDB_20120810.ListTables")}
	versity = server{name: "versitygw", launch: launchVersitygw, probe: probeHTTP(healthPath)}
	moto    = server{name: "moto", launch: launchMoto, probe: probeHTTP("/moto-api/")}
	all     = []*server{&fauxqs, &dynamo, &versity, &moto}
)

// Main runs the tests, stops the servers they started and exits: a package that uses servers calls it in its TestMain.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do: it returns the exit code instead of exiting.
func Run(m *testing.M) int {
	managed.Store(true)
	defer func() {
		for _, s := range all {
			s.stop()
		}
	}()
	return m.Run()
}

// SQS returns the base URL of fauxqs. The test is skipped or fails where it cannot be had, as with all of them.
func SQS(t testing.TB) string {
	t.Helper()
	return fauxqs.url(t)
}

// DynamoDB returns the base URL of DynamoDB Local, for tables and streams.
func DynamoDB(t testing.TB) string {
	t.Helper()
	return dynamo.url(t)
}

// S3 returns the base URL of versitygw. Its buckets are addressed by path.
func S3(t testing.TB) string {
	t.Helper()
	return versity.url(t)
}

// Moto returns the base URL of a moto server.
func Moto(t testing.TB) string {
	t.Helper()
	return moto.url(t)
}

// server is one of the servers: started at the first use, at most once.
type server struct {
	name   string
	launch func(dir string) (launch, error)
	probe  func(base string) error // nil when the server answers its own protocol

	once sync.Once
	proc *process
	base string
	err  error
}

func (s *server) url(t testing.TB) string {
	t.Helper()
	if !managed.Load() {
		t.Fatalf("%s would be left running: the package needs func TestMain(m *testing.M) { realservers.Main(m) }", s.name)
	}
	s.once.Do(s.start)
	if s.err != nil {
		reason := fmt.Sprintf("%s is not to be had (make servers installs it): %v", s.name, s.err)
		if os.Getenv("REPRISE_REQUIRE") == "all" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return s.base
}

// start tries again when the process ends early: another process may have taken its port between choice and use.
func (s *server) start() {
	deadline := time.Now().Add(startDeadline)
	for range 3 {
		if s.proc, s.err = startProcess(s.launch); s.err != nil {
			return
		}
		if s.base, s.err = s.proc.ready(s.probe, deadline); s.err == nil {
			return
		}
		ended := s.proc.ended()
		s.proc.stop()
		if !ended {
			return
		}
	}
}

func (s *server) stop() {
	// A start that is still under way, of a test that timed out, is waited for; none can begin after it.
	s.once.Do(func() {})
	if s.proc != nil {
		s.proc.stop()
	}
}

// installed returns the path of what `make servers` installed.
func installed(elements ...string) (string, error) {
	root := os.Getenv("REPRISE_SERVERS")
	if root == "" {
		module, err := moduleRoot()
		if err != nil {
			return "", err
		}
		root = filepath.Join(module, "bin", "servers")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{root}, elements...)...))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}

func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above %s: set REPRISE_SERVERS to the folder of the servers", start)
		}
	}
}
