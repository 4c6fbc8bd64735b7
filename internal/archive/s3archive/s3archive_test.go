package s3archive_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive/archivetest"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestMain(m *testing.M) { realservers.Main(m) }

// store is a bucket of its own on a real server. Only the archive may be given a way to the server with faults.
type store struct {
	*s3archive.Archive
	client *s3.Client // without faults
	bucket string
}

// client makes a client with the deadlines and retries of the product.
func client(tb testing.TB, url string) *s3.Client {
	tb.Helper()
	return s3archive.Client(awsapi.Prepare(realservers.Config(tb)), url)
}

func newStore(tb testing.TB, url string) *store {
	tb.Helper()
	s := &store{client: client(tb, url), bucket: realservers.Unique(tb, "archive")}
	if _, err := s.client.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: &s.bucket}); err != nil {
		tb.Fatal(err)
	}
	s.Archive = s.through(tb, s.client)
	return s
}

// through is the same bucket seen by another client.
func (s *store) through(tb testing.TB, c *s3.Client) *s3archive.Archive {
	tb.Helper()
	a, err := s3archive.New(s3archive.Options{Client: c, Bucket: s.bucket})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func (s *store) Put(tb testing.TB, key string, data []byte) {
	tb.Helper()
	_, err := s.client.PutObject(tb.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(data)})
	if err != nil {
		tb.Fatalf("putting %q: %v", key, err)
	}
}

func (s *store) Delete(tb testing.TB, key string) {
	tb.Helper()
	if _, err := s.client.DeleteObject(tb.Context(), &s3.DeleteObjectInput{Bucket: aws.String(s.bucket), Key: &key}); err != nil {
		tb.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	archivetest.Run(t, archivetest.Harness{
		Driver:      "s3archive on versitygw",
		New:         func(tb testing.TB) archivetest.Store { return newStore(tb, realservers.S3(tb)) },
		TagsInBytes: true,
	})
}

func TestConformanceMoto(t *testing.T) {
	t.Parallel()
	archivetest.Run(t, archivetest.Harness{
		Driver:          "s3archive on moto",
		New:             func(tb testing.TB) archivetest.Store { return newStore(tb, realservers.Moto(tb)) },
		KeyBesideFolder: true,
		Many:            1100, // a page and a bit: it is slow
	})
}
