package realservers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// launch is how a server is run: the command, and where it listens, or the line of its output that says so.
type launch struct {
	command *exec.Cmd
	address string         // host:port, or empty when the server chooses its port
	says    *regexp.Regexp // finds that port in its output
}

// What follows the digits is part of it: output comes in pieces.
var listening = regexp.MustCompile(`listening on (\d+)\s`)

// The path holds what no other server of this kind knows, so that an answer on the port is the answer of our own.
var healthPath = fmt.Sprintf("/ready-%d-%d", os.Getpid(), time.Now().UnixNano())

func launchFauxqs(string) (launch, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return launch{}, err
	}
	dir, err := installed("fauxqs")
	if err != nil {
		return launch{}, err
	}
	return launch{command: exec.Command(node, "--input-type=module", "--eval", fauxqsScript, "--", dir), says: listening}, nil
}

func launchDynamoDB(string) (launch, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return launch{}, err
	}
	dir, err := installed("dynamodb")
	if err != nil {
		return launch{}, err
	}
	path := []string{dir, filepath.Join(dir, "DynamoDBLocal.jar"), filepath.Join(dir, "DynamoDBLocal_lib", "*")}
	return launch{
		command: exec.Command(java,
			"-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx512m",
			"-Djava.library.path="+filepath.Join(dir, "DynamoDBLocal_lib"),
			"-cp", strings.Join(path, string(filepath.ListSeparator)),
			"DynamoDBLoopback", "-inMemory", "-sharedDb", "-disableTelemetry"),
		says: listening,
	}, nil
}

func launchVersitygw(dir string) (launch, error) {
	gateway, err := installed("versitygw", "versitygw")
	if err != nil {
		return launch{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return launch{}, err
	}
	root := filepath.Join(dir, "buckets")
	if err := os.Mkdir(root, 0o700); err != nil {
		return launch{}, err
	}
	args := []string{
		"--access", AccessKey, "--secret", SecretKey, "--region", Region, "--port", address,
		"--keep-alive", "--quiet", "--health", healthPath, "posix",
	}
	if !keepsAttributes(root) {
		sidecar := filepath.Join(dir, "attributes")
		if err := os.Mkdir(sidecar, 0o700); err != nil {
			return launch{}, err
		}
		args = append(args, "--sidecar", sidecar)
	}
	return launch{command: exec.Command(gateway, append(args, root)...), address: address}, nil
}

func launchMoto(string) (launch, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return launch{}, err
	}
	command := exec.Command(python, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
	command.Env = Environ()
	// Not there where the machine has a moto of its own.
	if dir, err := installed("moto"); err == nil {
		command.Env = append(command.Env, "PYTHONPATH="+dir+string(filepath.ListSeparator)+os.Getenv("PYTHONPATH"))
	}
	return launch{command: command, says: regexp.MustCompile(`Running on http://127\.0\.0\.1:(\d+)[^\d]`)}, nil
}

// freeAddress returns an address that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var probes = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// probeHTTP asks for a path that must be answered with 200.
func probeHTTP(path string) func(string) error {
	return func(base string) error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		return expectOK(request)
	}
}

// probeJSON calls an operation that needs no arguments, such as DynamoDB_20120810.ListTables: a port may be open before the
// service behind it is there.
func probeJSON(service, target string) func(string) error {
	return func(base string) error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base, strings.NewReader("{}"))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-amz-json-1.0")
		request.Header.Set("X-Amz-Target", target)
		request.Header.Set("Authorization", fmt.Sprintf(
			"AWS4-HMAC-SHA256 Credential=%s/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=none", AccessKey, Region, service))
		return expectOK(request)
	}
}

func expectOK(request *http.Request) error {
	response, err := probes.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 512))
	return fmt.Errorf("%s answers %s: %s", request.URL.Path, response.Status, body)
}
