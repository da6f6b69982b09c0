# make check is what CI runs, apart from installing things.

PKGS := ./...

.PHONY: check fmt vet lint race test

check: fmt vet lint race test

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

vet:
	go vet $(PKGS)

lint:
	go tool -modfile=tools/staticcheck/go.mod staticcheck $(PKGS)

test:
	go test $(PKGS)

race:
	go test -race -short -count=1 ./internal/jobs ./internal/run ./internal/quota
