// Package awsapi sets the AWS SDK up as every driver wants it: a deadline on every call and on every attempt of it, the
// SDK's standard retries with a loop around them, enough idle connections, the default credential chain, and one way to
// ask what an error means.
//
// The SDK has no deadline of its own, and its retries share a quota of which an outage leaves nothing; so [Call] bounds
// each call, and begins it anew with growing, jittered pauses while that can help. Everything that goes through it may
// reach the service more than once: drivers call only what a repetition does not harm, or recognise their own write.
package awsapi
