// Toolbox is what the pods of the cluster's own tests run: one static program that needs nothing of
// its image.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `toolbox print FILE        prints a file
toolbox serve PORT FILE   serves a file by HTTP
toolbox get URL           prints what a server answers
toolbox wait              does nothing until it is ended`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch {
	case len(words) == 2 && words[0] == "print":
		return print(os.Open(words[1]))
	case len(words) == 3 && words[0] == "serve":
		page := func(answer http.ResponseWriter, request *http.Request) {
			http.ServeFile(answer, request, words[2])
		}
		return http.ListenAndServe(":"+words[1], http.HandlerFunc(page))
	case len(words) == 2 && words[0] == "get":
		client := http.Client{Timeout: 3 * time.Second}
		answer, err := client.Get(words[1])
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", words[1], answer.Status)
		}
		return print(answer.Body, nil)
	case len(words) == 1 && words[0] == "wait":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
		<-ended
		return nil
	}
	return fmt.Errorf("%s", usage)
}

func print(content io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(os.Stdout, content)
	return err
}
