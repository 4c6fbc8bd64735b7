package s3archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// List implements [archive.Archive]. While the caller works on one page, the next is fetched.
func (a *Archive) List(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		l := &listing{a: a, prefix: prefix, after: after}
		if err := l.run(ctx, yield); err != nil {
			yield(archive.Object{}, a.explain("listing", actionList, prefix, err))
		}
	}
}

// listing is one listing under way.
type listing struct {
	a             *Archive
	prefix, after string
	last          string // the last key received
}

// page is one answer, or the error instead of it.
type page struct {
	objects []types.Object
	encoded bool // keys are URL-encoded
	err     error
}

func (l *listing) run(ctx context.Context, yield func(archive.Object, error) bool) error {
	fetching, stop := context.WithCancel(ctx)
	pages := make(chan page) // no buffer: the fetcher holds one page, the caller another
	go l.fetch(fetching, pages)
	defer func() { // the fetcher ends with the listing
		stop()
		for range pages {
		}
	}()
	for p := range pages {
		if p.err != nil {
			return p.err
		}
		for i := range p.objects {
			if err := ctx.Err(); err != nil {
				return err
			}
			o, err := l.object(&p.objects[i], p.encoded)
			if err != nil {
				return err
			}
			// The range is checked here too: it may have been asked for with fewer bytes, see askable.
			if o.Key <= l.after || !strings.HasPrefix(o.Key, l.prefix) {
				continue
			}
			if !yield(o, nil) {
				return nil
			}
		}
	}
	return ctx.Err()
}

// fetch sends the pages of a listing, an error as the last, and closes pages.
func (l *listing) fetch(ctx context.Context, pages chan<- page) {
	defer close(pages)
	in := &s3.ListObjectsV2Input{Bucket: &l.a.bucket, EncodingType: encoding}
	if prefix := askable(l.prefix); prefix != "" {
		in.Prefix = &prefix
	}
	if after := askable(l.after); after != "" {
		in.StartAfter = &after
	}
	for {
		out, err := l.a.page(ctx, in)
		p := page{err: err}
		if err == nil {
			p.objects, p.encoded = out.Contents, out.EncodingType == encoding
			p.err = proceed(in, out)
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return
		}
		if p.err != nil || in.ContinuationToken == nil {
			return
		}
	}
}

// page fetches one page.
func (a *Archive) page(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	ctx = awsapi.WithAttemptTimeout(ctx, a.limits.page)
	return awsapi.CallFor(ctx, a.limits.pages, func(ctx context.Context) (*s3.ListObjectsV2Output, error) {
		return a.s3.ListObjectsV2(ctx, in)
	})
}

// proceed asks for what follows out; after the last page it leaves no token. A page may be empty and not the last.
func proceed(in *s3.ListObjectsV2Input, out *s3.ListObjectsV2Output) error {
	before := in.ContinuationToken
	in.StartAfter, in.ContinuationToken = nil, nil
	if !aws.ToBool(out.IsTruncated) {
		return nil
	}
	token := aws.ToString(out.NextContinuationToken)
	if token == "" || before != nil && token == *before {
		return errors.New("the server says that there is more and not where: this listing would never end, or lose objects")
	}
	in.ContinuationToken = &token
	return nil
}

// object reads one entry of a page and holds the server to the order of keys.
func (l *listing) object(entry *types.Object, encoded bool) (archive.Object, error) {
	o, err := object(entry, encoded)
	if err != nil {
		return o, err
	}
	if o.Key <= l.last {
		return o, fmt.Errorf("key %q comes after %q: a bucket whose listings are not in the order of keys cannot be replayed (S3 directory buckets are such)", o.Key, l.last)
	}
	l.last = o.Key
	return o, nil
}

// encoding is how keys are asked for: not every character that a key may have may stand in XML.
const encoding = types.EncodingTypeUrl

func object(entry *types.Object, encoded bool) (archive.Object, error) {
	key := aws.ToString(entry.Key)
	if encoded {
		// S3 encodes as HTML forms do: a space may be '+', and a '+' never is one.
		plain, err := url.QueryUnescape(key)
		if err != nil {
			return archive.Object{}, fmt.Errorf("key %q: %w", key, err)
		}
		key = plain
	}
	return archive.Object{
		Key: key, Size: aws.ToInt64(entry.Size), ETag: quoted(entry.ETag), Modified: aws.ToTime(entry.LastModified),
		Class: class(string(entry.StorageClass)),
	}, nil
}

// askable is the longest beginning of s that can be asked for: UTF-8, and without the control characters that some
// servers would repeat in an answer that is no XML then. As a prefix it leaves nothing out, and as the place to go on
// after it lies before s.
func askable(s string) string {
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' || r == 0xfffe || r == 0xffff {
			return s[:i]
		}
	}
	return s
}
