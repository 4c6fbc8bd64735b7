package archiver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestMain(m *testing.M) { realservers.Main(m) }

// In S3 the object that is there is known by its ETag, without being read; and by its lines where the ETag says nothing.
func TestObjectIsThereInS3(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s3archive.Client(awsapi.Prepare(realservers.Config(t)), realservers.S3(t))
	bucket := realservers.Unique(t, "archiver")
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	s.must(err)
	files, err := s3archive.New(s3archive.Options{Client: client, Bucket: bucket})
	s.must(err)
	put := func(key string, data []byte) {
		t.Helper()
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
		s.must(err)
	}
	for name, tt := range map[string]struct {
		there func(key string, body []byte) // what is there when the object is to be created
		want  error
		opens int
	}{
		"nothing": {func(string, []byte) {}, nil, 0},
		"itself":  {func(key string, body []byte) { put(key, body) }, nil, 0},
		"lines":   {func(key string, _ []byte) { put(key, []byte(s.lines())) }, nil, 1},
		"other":   {func(key string, _ []byte) { put(key, []byte("x")) }, archiver.ErrForeign, 1},
	} {
		s.next()
		s.fill(s.protocol, 150)
		way := &racing{Archive: files, there: tt.there}
		err := s.archiver(nil, func(o *archiver.Options) { o.Archive = way }).Once(t.Context(), true)
		if !errors.Is(err, tt.want) || way.opens != tt.opens {
			t.Errorf("%s: %v, and %d objects were read; want %v and %d", name, err, way.opens, tt.want, tt.opens)
		}
		for _, e := range s.all() {
			if e.Archived != (tt.want == nil) {
				t.Fatalf("%s: entry %s: archived %t", name, e.ID, e.Archived)
			}
		}
	}
}

// racing lets somebody else come first.
type racing struct {
	archive.Archive
	there func(key string, body []byte)
	opens int
}

func (r *racing) Create(ctx context.Context, key string, body []byte) error {
	r.there(key, body)
	return r.Archive.Create(ctx, key, body)
}

func (r *racing) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	r.opens++
	return r.Archive.Open(ctx, p)
}
