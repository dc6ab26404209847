//go:build tools

// Package tools keeps h2spec and what it is built from in go.mod and go.sum.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
