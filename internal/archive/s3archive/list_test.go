package s3archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// Keys that a directory could not hold: S3 takes any UTF-8. (moto does not find its way with a newline.)
func TestOddKeys(t *testing.T) {
	t.Parallel()
	s := newStore(t, realservers.Moto(t))
	keys := []string{
		"a\x01b", "a\tb", "a//b", "/a", "//", "a/./b", "a/../b", "..", "a/", "a/b/", "a+b%2B c", "%", "a\u2028b", "a\u0085b",
		strings.Repeat("k", 1024), strings.Repeat("\U0001f600", 256), "\u007f", "a<b>&amp;\"'", "a?b#c;d=e,f",
	}
	put := func(key string) { s.Put(t, key, []byte(key)) }
	for _, k := range keys {
		put(k)
	}
	slices.Sort(keys)
	list := func(prefix, after string) (got []string) {
		for o, err := range s.List(t.Context(), prefix, after) {
			if err != nil {
				t.Fatalf("List(%q, %q): %v", prefix, after, err)
			}
			got = append(got, o.Key)
		}
		return got
	}
	if got := list("", ""); !slices.Equal(got, keys) {
		t.Errorf("listed\n%q, want\n%q", got, keys)
	}
	for i, k := range keys {
		if got := list("", k); !slices.Equal(got, keys[i+1:]) {
			t.Errorf("after %q\n%q, want\n%q", k, got, keys[i+1:])
		}
		if got := list(k, ""); len(got) == 0 || got[0] != k {
			t.Errorf("with prefix %q: %q", k, got)
		}
		o, err := s.Stat(t.Context(), k)
		if err != nil || o.Size != int64(len(k)) {
			t.Errorf("%q: %+v, %v", k, o, err)
		}
		if err := s.MergeTags(t.Context(), k, map[string]string{"k": "v"}, nil); err != nil {
			t.Errorf("%q: %v", k, err)
		}
		body, err := s.Open(t.Context(), archive.OpenParams{Key: k, ETag: o.ETag})
		if err != nil {
			t.Errorf("%q: %v", k, err)
			continue
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != k {
			t.Errorf("%q holds %q, %v", k, got, err)
		}
		_ = body.Close()
	}
}

// A listing in another order would be taken up again behind objects that it has not shown.
func TestListingOutOfOrder(t *testing.T) {
	t.Parallel()
	base := realservers.S3(t)
	s := newStore(t, base)
	for _, k := range []string{"dns/1", "dns/2", "dns/3"} {
		s.Put(t, k, nil)
	}
	url := proxy(t, base, func(_ int64, r *http.Response) {
		text, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		text = bytes.Replace(text, []byte("<Key>dns/2<"), []byte("<Key>dns/4<"), 1)
		r.Body = io.NopCloser(bytes.NewReader(text))
	})
	var got []string
	var last error
	for o, err := range s.through(t, client(t, url)).List(t.Context(), "dns/", "") {
		if last = err; err == nil {
			got = append(got, o.Key)
		}
	}
	if last == nil || !strings.Contains(last.Error(), "order of keys") || !slices.Equal(got, []string{"dns/1", "dns/4"}) {
		t.Errorf("listed %q, %v", got, last)
	}
}

func TestProceed(t *testing.T) {
	t.Parallel()
	truncated := func(token string) *s3.ListObjectsV2Output {
		out := &s3.ListObjectsV2Output{IsTruncated: aws.Bool(true)}
		if token != "" {
			out.NextContinuationToken = &token
		}
		return out
	}
	in := &s3.ListObjectsV2Input{StartAfter: aws.String("a")}
	for _, token := range []string{"1", "2"} { // pages without objects are no end
		if err := s3archive.Proceed(in, truncated(token)); err != nil || in.StartAfter != nil || aws.ToString(in.ContinuationToken) != token {
			t.Errorf("token %s: %+v, %v", token, in, err)
		}
	}
	for _, token := range []string{"2", ""} {
		again := &s3.ListObjectsV2Input{ContinuationToken: aws.String("2")}
		if err := s3archive.Proceed(again, truncated(token)); err == nil {
			t.Errorf("token %q after 2: the listing goes on", token)
		}
	}
	if err := s3archive.Proceed(in, &s3.ListObjectsV2Output{}); err != nil || in.ContinuationToken != nil {
		t.Errorf("the last page: %+v, %v", in, err)
	}
}

// A listing that is cancelled between two objects of one page ends there.
func TestListingCancelled(t *testing.T) {
	t.Parallel()
	s := newStore(t, realservers.S3(t))
	for _, k := range []string{"dns/1", "dns/2", "dns/3"} {
		s.Put(t, k, nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range s.List(ctx, "dns/", "") {
		last = err
		n++
		cancel()
	}
	if n != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d rounds, %v", n, last)
	}
}

func TestTagRate(t *testing.T) {
	t.Parallel()
	s := newStore(t, realservers.S3(t))
	s.Put(t, "dns/a", nil)
	a, err := s3archive.New(s3archive.Options{Client: s.client, Bucket: s.bucket, TagRate: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.MergeTags(t.Context(), "dns/a", map[string]string{"k": "1"}, nil); err != nil {
		t.Errorf("the first: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patient.Call) // the next turn is in a quarter of an hour
	defer cancel()
	err = a.MergeTags(ctx, "dns/a", map[string]string{"k": "2"}, nil)
	if !errors.Is(err, archive.ErrThrottled) || !strings.Contains(err.Error(), "0.001 tags per second") || !strings.Contains(err.Error(), "dns/a") {
		t.Errorf("the second: %v, want ErrThrottled", err)
	}
	cancel()
	if err := a.MergeTags(ctx, "dns/a", map[string]string{"k": "2"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if tags, err := a.Tags(t.Context(), "dns/a"); err != nil || tags["k"] != "1" {
		t.Errorf("tags %v, %v", tags, err)
	}
}

// A tag write costs more than anything else of an object, so none is made that changes nothing.
func TestTagsWrittenOnce(t *testing.T) {
	t.Parallel()
	url := realservers.S3(t)
	s := newStore(t, url)
	s.Put(t, "dns/a", nil)
	var writes atomic.Int64
	a := s.faulty(t, url, realservers.Faults{Only: func(r *http.Request) bool {
		if r.Method != http.MethodGet {
			writes.Add(1)
		}
		return false
	}}, patient)
	for i, tt := range []struct {
		set    map[string]string
		remove []string
		writes int64
	}{
		{nil, []string{"k"}, 0},
		{map[string]string{"k": "v"}, nil, 1},
		{map[string]string{"k": "v"}, []string{"other"}, 1},
		{map[string]string{"k": "w"}, nil, 2},
		{nil, []string{"k"}, 3},
		{nil, []string{"k"}, 3},
	} {
		ctx := awsapi.WithAttemptTimeout(t.Context(), patient.Call) // an attempt that is given up is a write more
		if err := a.MergeTags(ctx, "dns/a", tt.set, tt.remove); err != nil || writes.Load() != tt.writes {
			t.Errorf("step %d: %d writes, %v, want %d", i, writes.Load(), err, tt.writes)
		}
	}
}
