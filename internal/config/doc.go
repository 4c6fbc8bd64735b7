// Package config reads reprise.yaml: one struct, checked before anything else happens.
//
// [Load] takes the file, lets REPRISE_… variables win over it, then the caller's overrides (flags), fills in the
// defaults that depend on other keys, and checks everything, also that each protocol's statistics compile. Whatever
// is wrong is an [Error] that names the key, its place in the file and what to do; all that is wrong is reported at
// once, as [Errors].
//
// A variable's name follows from its key by rule: REPRISE_, then the key in capitals with '_' for each dot
// (worker.slots is REPRISE_WORKER_SLOTS). What stands under protocols can be set in the file alone. An empty
// variable counts as not set.
//
// A [Config] is a value that nobody changes after Load; only package app reads it.
package config
