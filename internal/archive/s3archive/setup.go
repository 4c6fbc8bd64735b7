package s3archive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// createTime bounds how long a new bucket may take until it is there.
const createTime = time.Minute

// Report tells people what Ensure did, a line each.
type Report struct {
	Made []string
	Left []string // what the server does not offer
}

// Ensure looks whether the bucket is there, and makes it where create says so: in the client's region, closed to the
// public, encrypted by default. A bucket that is there is its owner's and stays as it is; versioning and lifecycle are
// left alone. ErrNoBucket, ErrDenied, and an error that names the right region where the bucket is in another.
func (a *Archive) Ensure(ctx context.Context, create bool) (Report, error) {
	var r Report
	err := a.reach(ctx)
	if errors.Is(err, ErrDenied) && create {
		err = fmt.Errorf("%w (or the name is taken by another account: choose another aws.bucket)", err)
	}
	if !errors.Is(err, ErrNoBucket) || !create {
		return r, a.about("looking for", err)
	}
	if err := a.create(ctx, &r); err != nil {
		return r, a.about("creating", err)
	}
	err = a.set(ctx, &r, "public access block", "s3:PutBucketPublicAccessBlock", func(ctx context.Context) error {
		yes := aws.Bool(true)
		_, err := a.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
			Bucket: &a.bucket,
			PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
			},
		})
		return err
	})
	if err != nil {
		return r, err
	}
	return r, a.set(ctx, &r, "default encryption (SSE-S3)", "s3:PutEncryptionConfiguration", func(ctx context.Context) error {
		_, err := a.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
			Bucket: &a.bucket,
			ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
				ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
			}}},
		})
		return err
	})
}

// reach asks for the bucket; nil when it is there and may be listed.
func (a *Archive) reach(ctx context.Context) error {
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.HeadBucketOutput, error) {
		return a.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &a.bucket})
	})
	if err == nil {
		return nil
	}
	err = a.meaning(actionList, "", err)
	if errors.Is(err, archive.ErrNotFound) {
		return errNoBucket
	}
	return err
}

func (a *Archive) create(ctx context.Context, r *Report) error {
	in := &s3.CreateBucketInput{Bucket: &a.bucket}
	region := a.s3.Options().Region
	if region != "us-east-1" { // the one that S3 does not want to hear
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (*s3.CreateBucketOutput, error) {
		return a.s3.CreateBucket(ctx, in)
	})
	switch code := awsapi.ErrorCode(err); {
	case code == "BucketAlreadyOwnedByYou" && awsapi.Unclear(err): // by an earlier attempt of this call
	case code == "BucketAlreadyExists":
		return errors.New("the name is taken by another account: choose another aws.bucket")
	case err != nil:
		return a.meaning("s3:CreateBucket", "", err)
	}
	if err := s3.NewBucketExistsWaiter(a.s3).Wait(ctx, &s3.HeadBucketInput{Bucket: &a.bucket}, createTime); err != nil {
		return fmt.Errorf("waiting until it is there: %w", err)
	}
	r.Made = append(r.Made, fmt.Sprintf("bucket %s in %s", a.bucket, region))
	return nil
}

// set makes one setting of a new bucket and reports it.
func (a *Archive) set(ctx context.Context, r *Report, what, action string, call func(context.Context) error) error {
	_, err := awsapi.CallFor(ctx, a.limits.call, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	line := fmt.Sprintf("%s of bucket %s", what, a.bucket)
	switch status := awsapi.StatusCode(err); {
	case err == nil:
		r.Made = append(r.Made, line)
	case status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed:
		r.Left = append(r.Left, line)
	default:
		return a.about("setting the "+what+" of", a.meaning(action, "", err))
	}
	return nil
}

// about is explain for the bucket itself; nil stays nil.
func (a *Archive) about(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s bucket %s: %w", doing, a.bucket, err)
}
