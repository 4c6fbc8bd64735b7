package s3archive_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestEnsure(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		url        string
		made, left int
	}{
		"moto":      {realservers.Moto(t), 3, 0},
		"versitygw": {realservers.S3(t), 1, 2},
	} {
		s := &store{client: client(t, tt.url), bucket: realservers.Unique(t, "new")}
		a := s.through(t, s.client)
		if _, err := a.Ensure(t.Context(), false); !errors.Is(err, s3archive.ErrNoBucket) {
			t.Errorf("%s: %v, want ErrNoBucket", name, err)
		}
		r, err := a.Ensure(t.Context(), true)
		if err != nil || len(r.Made) != tt.made || len(r.Left) != tt.left || !strings.Contains(r.Made[0], s.bucket) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		for _, create := range []bool{true, false} {
			if r, err := a.Ensure(t.Context(), create); err != nil || len(r.Made)+len(r.Left) != 0 {
				t.Errorf("%s: a bucket that is there: %+v, %v", name, r, err)
			}
		}
		if name != "moto" {
			continue
		}
		block, err := s.client.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: &s.bucket})
		if err != nil {
			t.Fatal(err)
		}
		if c := block.PublicAccessBlockConfiguration; !aws.ToBool(c.BlockPublicAcls) || !aws.ToBool(c.BlockPublicPolicy) ||
			!aws.ToBool(c.IgnorePublicAcls) || !aws.ToBool(c.RestrictPublicBuckets) {
			t.Errorf("open to the public: %+v", c)
		}
		if _, err := s.client.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &s.bucket}); err != nil {
			t.Error(err)
		}
	}
}

// Check finds what is allowed and leaves a bucket as it was, with objects and without.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"moto": realservers.Moto(t), "versitygw": realservers.S3(t)} {
		s := newStore(t, url)
		for _, keys := range [][]string{nil, {"dns/a", "dns/empty"}} {
			for _, k := range keys {
				s.Put(t, k, []byte(strings.TrimPrefix(k, "dns/empty")))
			}
			p := s3archive.CheckParams{Prefix: "dns/", Tags: true, Write: true, Delete: true}
			want := 7
			if name == "moto" { // breaks down over the tags of an object that is not there
				p.Tags, want = false, 4
			}
			findings, err := s.Check(t.Context(), p)
			if err != nil || len(findings) != want {
				t.Fatalf("%s: %v, %v", name, findings, err)
			}
			for _, f := range findings {
				if f.Err != nil {
					t.Errorf("%s: %s: %v", name, f.Action, f.Err)
				}
			}
			var got []string
			for o, err := range s.List(t.Context(), "", "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, o.Key)
				if tags, err := s.Tags(t.Context(), o.Key); err != nil || len(tags) != 0 {
					t.Errorf("%s: %s has tags %v, %v", name, o.Key, tags, err)
				}
			}
			if len(got) != len(keys) {
				t.Errorf("%s: %q, want %q", name, got, keys)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	c := client(t, "http://127.0.0.1:1")
	for _, o := range []s3archive.Options{{Bucket: "b"}, {Client: c}, {Client: c, Bucket: "b", TagRate: -1}} {
		if _, err := s3archive.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
