package s3archive_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestDenied(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/a", []byte("one"))
	config := realservers.Config(t)
	config.Credentials = aws.AnonymousCredentials{} // whom no policy allows anything
	a := s.through(t, s3archive.Client(awsapi.Prepare(config), url))
	actions := map[string]string{
		"Stat": "s3:GetObject", "Open": "s3:GetObject", "List": "s3:ListBucket", "Tags": "s3:GetObjectTagging", "MergeTags": "s3:GetObjectTagging",
		"Create": "s3:PutObject",
	}
	for what, err := range everything(t.Context(), a) {
		if !errors.Is(err, s3archive.ErrDenied) || errors.Is(err, archive.ErrNotFound) ||
			!strings.Contains(err.Error(), actions[what]+" on arn:aws:s3:::"+s.bucket) || !strings.Contains(err.Error(), "s3://"+s.bucket+"/dns/a") {
			t.Errorf("%s: %v", what, err)
		}
	}
	findings, err := a.Check(t.Context(), s3archive.CheckParams{Prefix: "dns/", Tags: true, Write: true})
	if err != nil || len(findings) != 6 {
		t.Fatalf("%v, %v", findings, err)
	}
	for _, f := range findings {
		if !errors.Is(f.Err, s3archive.ErrDenied) || !strings.Contains(f.Err.Error(), f.Action) {
			t.Errorf("%s: %v", f.Action, f.Err)
		}
	}
}

// A bucket that is not there must not make every object a missing one.
func TestNoBucket(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"versitygw": realservers.S3(t), "moto": realservers.Moto(t)} {
		s := &store{client: client(t, url), bucket: realservers.Unique(t, "none")}
		a := s.through(t, s.client)
		for what, err := range everything(t.Context(), a) {
			if !errors.Is(err, s3archive.ErrNoBucket) || errors.Is(err, archive.ErrNotFound) || !strings.Contains(err.Error(), s.bucket) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if _, err := a.Check(t.Context(), s3archive.CheckParams{}); !errors.Is(err, s3archive.ErrNoBucket) {
			t.Errorf("%s: Check: %v", name, err)
		}
	}
}

// What AWS answers in a region that does not have the bucket; no server here knows regions.
func TestOtherRegion(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	t.Cleanup(server.Close)
	s := &store{bucket: "elsewhere"}
	a := s.through(t, client(t, server.URL))
	errs := everything(t.Context(), a)
	_, errs["Check"] = a.Check(t.Context(), s3archive.CheckParams{})
	_, errs["Ensure"] = a.Ensure(t.Context(), true)
	for what, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "bucket elsewhere is in region eu-west-1, not in us-east-1: set aws.region to eu-west-1") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCold(t *testing.T) {
	t.Parallel()
	s := newStore(t, realservers.Moto(t))
	for _, class := range []types.StorageClass{types.StorageClassGlacier, types.StorageClassDeepArchive} {
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String("dns/a"), Body: strings.NewReader("one"), StorageClass: class,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Open(t.Context(), archive.OpenParams{Key: "dns/a"})
		if !errors.Is(err, archive.ErrCold) || !strings.Contains(err.Error(), "dns/a") {
			t.Errorf("%s: %v, want ErrCold", class, err)
		}
		o, err := s.Stat(t.Context(), "dns/a")
		if err != nil || o.Class != string(class) {
			t.Errorf("%+v, %v, want class %s", o, err, class)
		}
		for listed, err := range s.List(t.Context(), "", "") {
			if err != nil || listed.Class != o.Class || listed.ETag != o.ETag {
				t.Errorf("listed %+v, %v, Stat %+v", listed, err, o)
			}
		}
	}
}

// An object is its stored bytes, whatever its headers say of them.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"versitygw": realservers.S3(t), "moto": realservers.Moto(t)} {
		s := newStore(t, url)
		var packed bytes.Buffer
		for range 3 {
			packed.Write(gzipped(t, "one\ntwo\n"))
		}
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String("dns/a.gz"), Body: bytes.NewReader(packed.Bytes()),
			ContentEncoding: aws.String("gzip"), ContentType: aws.String("text/plain"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, offset := range []int64{0, 5} {
			body, err := s.Open(t.Context(), archive.OpenParams{Key: "dns/a.gz", Offset: offset})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, packed.Bytes()[offset:]) {
				t.Errorf("%s: from byte %d: %d bytes, %v", name, offset, len(got), err)
			}
			_ = body.Close()
		}
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"versitygw": realservers.S3(t), "moto": realservers.Moto(t)} {
		s := newStore(t, url)
		s.Put(t, "dns/a", []byte("one"))
		s.Put(t, "dns/empty", nil)
		for _, p := range []archive.OpenParams{{Key: "dns/a", Offset: 4}, {Key: "dns/empty", Offset: 1}} {
			if _, err := s.Open(t.Context(), p); !errors.Is(err, archive.ErrChanged) || !strings.Contains(err.Error(), p.Key) {
				t.Errorf("%s: behind the end of %s: %v, want ErrChanged", name, p.Key, err)
			}
		}
		if _, err := s.Open(t.Context(), archive.OpenParams{Key: "dns/a", Offset: -1}); err == nil {
			t.Errorf("%s: byte -1 was opened", name)
		}
		if _, err := s.Open(t.Context(), archive.OpenParams{Key: ""}); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("%s: the empty key: %v", name, err)
		}
	}
}

func gzipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}
