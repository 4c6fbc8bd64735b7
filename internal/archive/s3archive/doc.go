// Package s3archive is the log archive in an S3 bucket, on AWS or another implementation of S3.
//
// What it promises: a body holds the bytes of one version of its object, from the byte asked for to the last, or ends with
// an error that says why; a connection that breaks, stalls or ends early is replaced by another that goes on at the next
// byte under the same ETag. Listings come in the byte order of keys and hold two pages of a thousand objects in memory; a
// server that lists in another order is refused, because a listing taken up again would skip what it has misplaced. Every
// call has a deadline, and every error names the bucket and the key. An object is created only where there is none, which
// S3 itself decides.
//
// What it does not: S3 has no conditional tagging, so of two MergeTags of one object at the same moment one may be lost,
// and tags read from one version may be written to the next. Objects in cold storage classes are not restored.
//
//	client := s3archive.Client(config, "")
//	a, err := s3archive.New(s3archive.Options{Client: client, Bucket: "my-log-archive", TagRate: 50})
//
// It takes s3:ListBucket, s3:GetObject and, for the mirror of tags, s3:GetObjectTagging, s3:PutObjectTagging and
// s3:DeleteObjectTagging (when no tag is left); for the archiver s3:PutObject. [Archive.Ensure] makes a bucket, [Archive.Check] tells which permissions
// are missing.
package s3archive
