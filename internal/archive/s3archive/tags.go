package s3archive

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// Tags implements [archive.Archive].
func (a *Archive) Tags(ctx context.Context, key string) (map[string]string, error) {
	tags, err := a.readTags(ctx, key)
	if err != nil {
		return nil, a.explain("reading the tags of", actionGetTags, key, err)
	}
	return tags, nil
}

// MergeTags implements [archive.Archive]. It waits for its turn under Options.TagRate; where the turn comes only after
// the context's deadline, it returns ErrThrottled at once.
func (a *Archive) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	if err := a.turn(ctx); err != nil {
		return a.explain("tagging", actionPutTags, key, err)
	}
	have, err := a.readTags(ctx, key)
	if err != nil {
		return a.explain("tagging", actionGetTags, key, err)
	}
	tags, changed, err := archive.MergedTags(have, set, remove)
	action := actionPutTags
	switch {
	case err != nil || !changed:
	case len(tags) == 0:
		action, err = actionDeleteTags, a.deleteTags(ctx, key)
	default:
		err = a.writeTags(ctx, key, tags)
	}
	if err != nil {
		return a.explain("tagging", action, key, err)
	}
	return nil
}

func (a *Archive) turn(ctx context.Context) error {
	if a.tags == nil {
		return nil
	}
	err := a.tags.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w by the rate of %g tags per second: %w", archive.ErrThrottled, float64(a.tags.Limit()), err)
	}
	return err
}

func (a *Archive) readTags(ctx context.Context, key string) (map[string]string, error) {
	if key == "" {
		return nil, errNoKey
	}
	out, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.GetObjectTaggingOutput, error) {
		return a.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &a.bucket, Key: &key})
	})
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(out.TagSet))
	for _, t := range out.TagSet {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// writeTags replaces all tags of the object. A repetition of it harms nothing, unless another writer came between.
func (a *Archive) writeTags(ctx context.Context, key string, tags map[string]string) error {
	in := &s3.PutObjectTaggingInput{Bucket: &a.bucket, Key: &key, Tagging: &types.Tagging{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		in.Tagging.TagSet = append(in.Tagging.TagSet, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.PutObjectTaggingOutput, error) {
		return a.s3.PutObjectTagging(ctx, in)
	})
	return err
}

// deleteTags takes the last tags off: not every implementation accepts an empty set, and S3 charges nothing for it.
func (a *Archive) deleteTags(ctx context.Context, key string) error {
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.DeleteObjectTaggingOutput, error) {
		return a.s3.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: &a.bucket, Key: &key})
	})
	return err
}
