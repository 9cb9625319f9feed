;;; JSON, as parts for mixed-text-file of (guix gexp): texts, and objects that
;;; become a path.

(define-module (certkeep json)
  #:use-module (ice-9 format)
  #:use-module (srfi srfi-1)
  #:export (json))

(define (json-text text)
  (define (escape char)
    (cond ((memv char '(#\" #\\)) (string #\\ char))
          ((char<? char #\space) (format #f "\\u~4,'0x" (char->integer char)))
          (else (string char))))
  (string-append "\"" (string-concatenate (map escape (string->list text))) "\""))

(define (table? value)
  (and (pair? value)
       (every (lambda (entry) (and (pair? entry) (symbol? (car entry)))) value)))

(define (between separator parts)
  (if (null? parts)
      '()
      (append (car parts)
              (append-map (lambda (part) (cons separator part)) (cdr parts)))))

(define (json value)
  "Return the parts of VALUE: an association list with symbols for keys is a
table, another list or a vector is a list, what is no Scheme datum is a path."
  (cond ((table? value)
         `("{" ,@(between "," (map (lambda (entry)
                                     `(,(json-text (symbol->string (car entry))) ":" ,@(json (cdr entry))))
                                   value))
           "}"))
        ((vector? value) (json (vector->list value)))
        ((list? value) `("[" ,@(between "," (map json value)) "]"))
        ((eq? value 'null) '("null"))
        ((boolean? value) (list (if value "true" "false")))
        ((number? value) (list (number->string value)))
        ((symbol? value) (list (json-text (symbol->string value))))
        ((string? value) (list (json-text value)))
        (else (list "\"" value "\""))))
