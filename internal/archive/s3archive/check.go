package s3archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// CheckParams say what an archive will be used for.
type CheckParams struct {
	Prefix string // below which everything is tried
	Tags   bool   // objects will be tagged
	Write  bool   // objects will be put
	Delete bool   // objects will be deleted
}

// Finding is one permission that was tried.
type Finding struct {
	Action string // "s3:GetObject", …
	Err    error  // nil: it is there
}

// Check tries every permission that the use takes, and changes nothing: writes are tried on a key that does not exist,
// under a condition that does not hold, and S3 refuses what is not allowed before it looks for the object. It fails only
// where the bucket cannot be reached: ErrNoBucket, another region, no answer.
func (a *Archive) Check(ctx context.Context, p CheckParams) ([]Finding, error) {
	if err := a.reach(ctx); err != nil && !errors.Is(err, ErrDenied) {
		return nil, a.about("looking for", err)
	}
	missing := p.Prefix + ".reprise-check-" + rand.Text()
	sample, err := a.first(ctx, p.Prefix)
	findings := []Finding{a.finding(actionList, p.Prefix, err)}
	if sample.Key == "" {
		sample.Key = missing
	}
	try := func(action, key string, probe func() error) {
		findings = append(findings, a.finding(action, key, probe()))
	}
	try(actionGet, sample.Key, func() error { return a.tryGet(ctx, sample) })
	if p.Tags {
		try(actionGetTags, sample.Key, func() error { _, err := a.readTags(ctx, sample.Key); return err })
		try(actionPutTags, missing, func() error { return a.writeTags(ctx, missing, map[string]string{"reprise": "check"}) })
		try(actionDeleteTags, missing, func() error { return a.deleteTags(ctx, missing) })
	}
	if p.Write {
		try(actionPut, missing, func() error { return a.tryPut(ctx, missing) })
	}
	if p.Delete {
		try(actionDelete, missing, func() error { return a.tryDelete(ctx, missing) })
	}
	return findings, ctx.Err()
}

// finding reads the outcome of a probe: whoever is told about the object was allowed to ask.
func (a *Archive) finding(action, key string, err error) Finding {
	f := Finding{Action: action}
	if err == nil {
		return f
	}
	err = a.meaning(action, key, err)
	for _, allowed := range []error{archive.ErrNotFound, archive.ErrChanged, archive.ErrCold} {
		if errors.Is(err, allowed) {
			return f
		}
	}
	f.Err = fmt.Errorf("trying %s on s3://%s/%s: %w", action, a.bucket, key, err)
	return f
}

// first returns some object below the prefix; without a key where there is none.
func (a *Archive) first(ctx context.Context, prefix string) (archive.Object, error) {
	in := &s3.ListObjectsV2Input{Bucket: &a.bucket, MaxKeys: aws.Int32(1), EncodingType: encoding}
	if prefix != "" {
		in.Prefix = &prefix
	}
	out, err := a.page(ctx, in)
	if err != nil || len(out.Contents) == 0 {
		return archive.Object{}, err
	}
	return object(&out.Contents[0], out.EncodingType == encoding)
}

// tryGet asks for the last byte: the key of an encrypted object is needed even for that.
func (a *Archive) tryGet(ctx context.Context, o archive.Object) error {
	c, err := a.get(ctx, o.Key, o.ETag, max(0, o.Size-1))
	if err == nil {
		c.close()
	}
	return err
}

// tryPut writes nothing: there is no object whose ETag could match. A server that does not know the condition has
// written an empty object, which is taken away again.
func (a *Archive) tryPut(ctx context.Context, key string) error {
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.PutObjectOutput, error) {
		return a.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, IfMatch: aws.String(`"none"`)})
	})
	if err != nil {
		return err
	}
	_, err = awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.DeleteObjectOutput, error) {
		return a.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &a.bucket, Key: &key})
	})
	if err != nil {
		return fmt.Errorf("taking away the empty object that the server should not have written: %w", err)
	}
	return nil
}

// tryDelete deletes nothing: there is no object. The condition keeps a bucket with versions from marking it as deleted.
func (a *Archive) tryDelete(ctx context.Context, key string) error {
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.DeleteObjectOutput, error) {
		return a.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &a.bucket, Key: &key, IfMatch: aws.String("*")})
	})
	return err
}
