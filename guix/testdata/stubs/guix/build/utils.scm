;;; What certkeep.scm uses of Guix's (guix build utils), for tests.

(define-module (guix build utils)
  #:export (mkdir-p))

(define (mkdir-p folder)
  "Make FOLDER and those above it that are missing."
  (unless (or (string-null? folder) (file-exists? folder))
    (mkdir-p (dirname folder))
    (mkdir folder)))
