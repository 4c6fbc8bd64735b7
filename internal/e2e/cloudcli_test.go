package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestTagsOnAWS looks at an object with the AWS CLI at every state that it goes through: the tags are what any tool of the
// bucket's owner sees. Each state is held still while it is looked at.
func TestTagsOnAWS(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		if os.Getenv("REPRISE_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const key, lines = "logs/tsv/large.gz", 400_000
	c := newShortCount("tsv")
	s := newCloudSite(t, "slots: 1, visibility_timeout: 60s, chunk_time: 1300ms, reserve: 1s", c.protocol(), func(c *cloud) { c.slowReads(t) })
	s.put(key, codings()[2].encode(t, c.object(rand.New(rand.NewPCG(41, 42)), lines, true)))
	if err := openArchive(s).MergeTags(t.Context(), key, map[string]string{"team": "sales"}, nil); err != nil {
		t.Fatal(err)
	}
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	s.expectTags(key, "PENDING", 0)
	if n := s.attribute("ApproximateNumberOfMessages"); n != "1" {
		t.Errorf("the queue has %s messages", n)
	}

	worker := s.daemon("work")
	held := s.holdTagged(worker, key)
	s.expectTags(key, "PROCESSING", held.Line)
	if n := s.attribute("ApproximateNumberOfMessagesNotVisible"); n != "1" {
		t.Errorf("the queue has %s messages in flight", n)
	}
	if err := worker.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	worker.stop(terminate)
	o := s.object(key)
	if o.State != "PENDING" || o.Line < held.Line || o.Line == 0 || o.Line >= lines {
		t.Fatalf("the worker leaves %+v", o)
	}
	s.expectTags(key, "PENDING", o.Line)

	worker = s.daemon("work")
	s.until("the object to be finished", func() bool { return s.object(key).State == "FINISHED" })
	worker.stop(terminate)
	s.expectTags(key, "FINISHED", lines)

	worker = s.daemon("work")
	watcher := s.daemon("watch")
	if got := s.finished(); got.Lines != c.lines {
		t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	s.expectTags(key, "", 0)
	worker.stop(terminate)
	watcher.stop(terminate)
	c.compare(s)
}

// slowReads puts a proxy in front of S3 from which bytes come slowly: however fast the program is, an object takes seconds, so
// that there is time to look at it from outside.
func (c *cloud) slowReads(t *testing.T) {
	t.Helper()
	c.filterReads(t, func(body io.ReadCloser) io.ReadCloser { return &slowBody{ReadCloser: body} })
}

// filterReads puts a proxy in front of S3 from which the bytes of objects come through a filter.
func (c *cloud) filterReads(t *testing.T, filter func(io.ReadCloser) io.ReadCloser) {
	t.Helper()
	target, err := url.Parse(c.direct.s3)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Query().Get("x-id") == "GetObject" {
				r.Body = filter(r.Body)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	c.at.s3 = server.URL
}

// slowBody gives 16 KiB, then waits.
type slowBody struct {
	io.ReadCloser
	n int
}

func (b *slowBody) Read(p []byte) (int, error) {
	const piece = 16 << 10
	if b.n >= piece {
		<-time.After(50 * time.Millisecond)
		b.n = 0
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), piece-b.n)])
	b.n += n
	return n, err
}

// aws runs the AWS CLI and decodes what it prints.
func (s *site) aws(into any, args ...string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "aws", append(args, "--output", "json")...)
	cmd.Env = realservers.Environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		s.t.Fatalf("aws %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
}

// expectTags holds the object's tags against a state and a line; without a state there is but the tag of other people.
func (s *site) expectTags(key, state string, line int64) {
	s.t.Helper()
	var out struct {
		TagSet []struct{ Key, Value string }
	}
	s.aws(&out, "s3api", "get-object-tagging", "--endpoint-url", s.cloud.direct.s3, "--bucket", s.cloud.bucket, "--key", key)
	tags := map[string]string{}
	for _, tag := range out.TagSet {
		tags[tag.Key] = tag.Value
	}
	want := map[string]string{"team": "sales"}
	if state != "" {
		want["REPLAY"], want["REPLAY_LINE"] = state, text(line)
		if at, err := time.Parse(time.RFC3339, tags["STATE_CHANGE"]); err != nil || time.Since(at) > time.Hour {
			s.t.Errorf("STATE_CHANGE is %q", tags["STATE_CHANGE"])
		}
		delete(tags, "STATE_CHANGE")
	}
	if !maps.Equal(tags, want) {
		s.t.Errorf("the tags are %v, want %v", tags, want)
	}
}

// attribute is one of the work queue's.
func (s *site) attribute(name string) string {
	s.t.Helper()
	var out struct{ Attributes map[string]string }
	s.aws(&out, "sqs", "get-queue-attributes", "--endpoint-url", s.cloud.direct.sqs, "--queue-url", *s.cloud.url(s.t, s.cloud.queue), "--attribute-names", name)
	return out.Attributes[name]
}

// holdTagged stops a worker in the middle of an object, when it was handed on at least once and the tags say so.
func (s *site) holdTagged(p *process, key string) (o object) {
	s.t.Helper()
	a := openArchive(s)
	s.until("the worker in the middle of "+key, func() bool {
		if o = s.object(key); o.State == "FINISHED" {
			s.t.Fatal("the object was finished before anything could happen: make it larger")
		}
		if o.State != "PROCESSING" || o.Line == 0 {
			return false
		}
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			s.t.Fatal(err)
		}
		o = s.object(key)
		tags, err := a.Tags(s.t.Context(), key)
		if err != nil {
			s.t.Fatal(err)
		}
		if o.State == "PROCESSING" && tags["REPLAY"] == "PROCESSING" && tags["REPLAY_LINE"] == text(o.Line) {
			return true
		}
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil { // between two chunks
			s.t.Fatal(err)
		}
		return false
	})
	return o
}
