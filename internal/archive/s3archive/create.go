package s3archive

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

const (
	// uploadRate is how many bytes of a body a slow connection moves in a second.
	uploadRate = 512 << 10
	// uploads is how many attempts of that length a call may make.
	uploads = 3
)

// Create implements [archive.Archive]: PutObject under the condition that there is no object, and under a checksum that
// S3 compares before it stores anything. ErrExists can be the work of an earlier attempt of this call.
func (a *Archive) Create(ctx context.Context, key string, body []byte) error {
	err := a.putNew(ctx, key, body)
	if awsapi.ErrorCode(err) == "PreconditionFailed" {
		err = archive.ErrExists
	}
	if err != nil {
		return a.explain("creating", actionPut, key, err)
	}
	return nil
}

func (a *Archive) putNew(ctx context.Context, key string, body []byte) error {
	if key == "" {
		return errors.New("a key must not be empty")
	}
	upload := time.Duration(len(body)) * time.Second / uploadRate
	sum := md5.Sum(body)
	ctx = awsapi.WithAttemptTimeout(ctx, awsapi.AttemptTimeout+upload)
	_, err := awsapi.CallFor(ctx, a.limits.call+uploads*upload, func(ctx context.Context) (*s3.PutObjectOutput, error) {
		out, err := a.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &a.bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
			IfNoneMatch: aws.String("*"), ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		})
		if awsapi.ErrorCode(err) == "ConditionalRequestConflict" {
			err = &conflictError{err}
		}
		return out, err
	})
	return err
}

// conflictError is the answer where two write a key at once, or an earlier attempt is still under way: nothing was
// written, and nobody knows yet whether the other will be.
type conflictError struct{ error }

func (e *conflictError) Unwrap() error { return e.error }

// RetryableError lets the call be made again.
func (e *conflictError) RetryableError() bool { return true }
