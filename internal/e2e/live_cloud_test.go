package e2e_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestCloudLive: the live side on the services: the table's stream is read, objects are written to the bucket, and a replay
// runs beside it all, with rows and accounts that are those of the test's own count.
func TestCloudLive(t *testing.T) {
	t.Parallel()
	s := newCloudSite(t, "slots: 4, visibility_timeout: 10s, reserve: 1s", allDialects(), func(c *cloud) {
		c.live = "live: {slots: 3}\narchiver: {max_age: 1s}"
	})
	counts := newLiveCounts(21)
	counts.ingest(s, 60)
	s.must("live", "--once")
	counts.compare(s)

	counts.ingest(s, 20) // archived by the start, which counts what no consumer has come to
	s.start()
	runner := s.daemon("run")
	counts.ingest(s, 20)
	s.finished()
	s.until("everything to be archived", func() bool { l := s.liveStatus(); return l.Unarchived == 0 && l.LagSeconds != nil })
	runner.stop(terminate)
	counts.compare(s)

	s.start()
	s.must("run", "--once")
	if c := s.certified(); c.Lines.Counted != counts.put() {
		t.Errorf("the second replay counts %d lines, want %d", c.Lines.Counted, counts.put())
	}
	counts.compare(s)
	listed, err := s.cloud.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.cloud.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range listed.Contents {
		if !writtenHere.MatchString(*o.Key) {
			t.Errorf("the bucket has %s", *o.Key)
		}
	}
}
