;;; Certkeep as a Guix service. It takes the fields of Guix's own
;;; certbot-configuration, so that a system moves over by renaming records and
;;; saying where servers read; see docs/from-certbot.md for what each of them
;;; becomes.
;;;
;;; Put this folder on the load path (guix system reconfigure -L …/guix), then
;;;
;;;   (use-modules (certkeep))
;;;   (service certkeep-service-type
;;;            (certkeep-configuration
;;;             (email "admin@example.com")
;;;             ;; /etc/certs/example.com/fullchain.pem, as with Guix's service.
;;;             (directory "/etc/certs")
;;;             (layout 'standard)
;;;             (certificates
;;;              (list (certkeep-certificate-configuration
;;;                     (domains '("example.com" "www.example.com")))))))

(define-module (certkeep)
  #:use-module (certkeep json)
  #:use-module (certkeep shepherd)
  #:use-module (gnu services)
  #:use-module (gnu services shepherd)
  #:use-module (gnu services web)
  #:use-module (guix gexp)
  #:use-module (guix records)
  #:use-module (ice-9 format)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-34)
  #:use-module (srfi srfi-35)
  #:export (certkeep-service-type
            certkeep-standalone-service-type
            certkeep-configuration
            certkeep-configuration?
            certkeep-certificate-configuration
            certkeep-certificate-configuration?
            certkeep-configuration-file))

(define-record-type* <certkeep-certificate-configuration>
  certkeep-certificate-configuration make-certkeep-certificate-configuration
  certkeep-certificate-configuration?
  ;; In paths and commands; without it the first domain.
  (name                certificate-name (default #f))
  (domains             certificate-domains (default '()))
  ;; #f: by the webroot. "http-01" or "dns-01": by the two hooks.
  (challenge           certificate-challenge (default #f))
  (csr                 certificate-csr (default #f))
  (csr-key             certificate-csr-key (default #f))
  ;; Hooks are text for a shell, a gexp, or a program.
  (authentication-hook certificate-authentication-hook (default #f))
  (cleanup-hook        certificate-cleanup-hook (default #f))
  (deploy-hook         certificate-deploy-hook (default #f))
  (start-self-signed?  certificate-start-self-signed? (default #t))
  ;; Of the installed files; #f is root, and keys that root alone reads.
  (owner               certificate-owner (default #f))
  (group               certificate-group (default #f))
  ;; Any other keys of docs/configuration.md, as an association list.
  (extra-options       certificate-extra-options (default '())))

(define-record-type* <certkeep-configuration>
  certkeep-configuration make-certkeep-configuration
  certkeep-configuration?
  ;; A package with bin/certkeep, or the path of the program.
  (package             configuration-package
                       (default "/run/current-system/profile/bin/certkeep"))
  ;; #f: Certkeep answers on port 80 itself (the standalone service only).
  (webroot             configuration-webroot (default "/var/www"))
  (certificates        configuration-certificates (default '()))
  (email               configuration-email (default #f))
  (accept-terms?       configuration-accept-terms? (default #t))
  (server              configuration-server (default #f))
  ;; #f: ECDSA P-256.
  (rsa-key-size        configuration-rsa-key-size (default #f))
  (default-location    configuration-default-location
                       (default (nginx-location-configuration
                                 (uri "/")
                                 (body '("return 301 https://$host$request_uri;")))))
  ;; Files are DIRECTORY/live/NAME/*.pem, or with the layout standard
  ;; DIRECTORY/NAME/*.pem.
  (directory           configuration-directory (default "/etc/letsencrypt"))
  (layout              configuration-layout (default 'certbot))
  ;; Where Certkeep keeps what it knows: accounts, keys, certificates.
  (state-directory     configuration-state-directory (default "/var/lib/certkeep"))
  (nginx-pid-file      configuration-nginx-pid-file (default "/var/run/nginx/pid"))
  ;; #f: a run at boot and twice a day instead.
  (daemon?             configuration-daemon? (default #t))
  ;; Whether Certkeep reads the configuration when the system is built, and so
  ;; refuses a wrong one there. It takes a package.
  (check?              configuration-check? (default #t))
  (extra-options       configuration-extra-options (default '())))

(define (refuse format-string . arguments)
  "Raise a condition that Guix shows as an error of the configuration."
  (raise (condition (&message (message (string-append "certkeep: " (apply format #f format-string arguments)))))))

(define (with-extra table extra)
  "Return TABLE with the entries of EXTRA, which count where both have one."
  (append (remove (lambda (entry) (assq (car entry) extra)) table) extra))

(define (given . entries)
  "Return those of ENTRIES, of the form (KEY . VALUE), that have a value."
  (filter cdr entries))


;;; Certificates.

(define (certificate->name certificate)
  (let ((domains (certificate-domains certificate)))
    (or (certificate-name certificate)
        (and (pair? domains)
             (let ((first (car domains)))
               (if (string-prefix? "*." first) (string-drop first 2) first)))
        (refuse "a certificate has neither a name nor domains"))))

(define (plain-name? name)
  (let ((plain (char-set-union char-set:letter+digit (string->char-set "._-"))))
    (and (string? name)
         (not (string-null? name))
         (not (memv (string-ref name 0) '(#\. #\-)))
         (string-every (char-set-intersection plain char-set:ascii) name))))

(define (challenge-type certificate)
  "Return the challenge that hooks answer, #f where the webroot does."
  (let ((challenge (certificate-challenge certificate))
        (name (certificate->name certificate)))
    (cond ((not challenge)
           (when (or (certificate-authentication-hook certificate) (certificate-cleanup-hook certificate))
             (refuse "certificate ~s has hooks that answer challenges, and no challenge; write (challenge \"dns-01\") or \"http-01\"" name))
           #f)
          ((not (certificate-authentication-hook certificate))
           (refuse "certificate ~s has the challenge ~s and no authentication-hook that answers it" name challenge))
          ((member challenge '("dns" "dns-01")) 'dns-01)
          ((member challenge '("http" "http-01")) 'http-01)
          (else (refuse "certificate ~s: ~s is no challenge that hooks can answer; dns-01 and http-01 are" name challenge)))))

(define (check-certificate certificate)
  (let ((name (certificate->name certificate))
        (domains (certificate-domains certificate)))
    (unless (plain-name? name)
      (refuse "~s cannot be a certificate's name: it becomes the name of a folder" name))
    (unless (and (list? domains) (every string? domains))
      (refuse "certificate ~s: domains are a list of texts, not ~s" name domains))
    (when (and (null? domains) (not (certificate-csr certificate)))
      (refuse "certificate ~s has neither domains nor a csr" name))
    (when (and (certificate-csr-key certificate) (not (certificate-csr certificate)))
      (refuse "certificate ~s has a csr-key and no csr" name))
    (when (and (any (lambda (domain) (string-prefix? "*." domain)) domains)
               (not (eq? (challenge-type certificate) 'dns-01))
               (not (assq 'challenges (certificate-extra-options certificate))))
      (refuse "certificate ~s has a wildcard, which dns-01 alone can prove; give it (challenge \"dns-01\") and an authentication-hook" name))))

(define (hook->command name hook)
  "Return HOOK as a command of Certkeep's configuration."
  (cond ((string? hook) `((shell . ,hook)))
        ((gexp? hook) (list (program-file name hook)))
        (else (list hook))))

(define (reload-then name pid-file hook)
  "Return a program that tells nginx, which has no placeholder to be known by,
and then runs HOOK."
  (program-file
   (string-append name "-deploy")
   #~(let ((pid (false-if-exception (call-with-input-file #$pid-file read))))
       (when (integer? pid) (false-if-exception (kill pid SIGHUP)))
       #$@(cond ((not hook) '())
                ((string? hook) (list #~(exit (status:exit-val (system #$hook)))))
                ((gexp? hook) (list #~(exit (status:exit-val (system* #$(program-file (string-append name "-deploy-hook") hook))))))
                (else (list #~(exit (status:exit-val (system* #$hook)))))))))

(define (installed-hook certificate config nginx?)
  (let ((name (certificate->name certificate))
        (hook (certificate-deploy-hook certificate)))
    (cond ((and nginx? (not (certificate-start-self-signed? certificate)))
           (list (reload-then name (configuration-nginx-pid-file config) hook)))
          (hook (hook->command (string-append name "-deploy-hook") hook))
          (else #f))))

(define (certificate->table certificate config nginx?)
  (check-certificate certificate)
  (let ((name (certificate->name certificate))
        (type (challenge-type certificate))
        (csr (certificate-csr certificate))
        (cleanup (certificate-cleanup-hook certificate))
        (installed (installed-hook certificate config nginx?)))
    (with-extra
     (given
      (cons 'names (and (not csr) (certificate-domains certificate)))
      (cons 'csr (and csr (given (cons 'file csr) (cons 'key_file (certificate-csr-key certificate)))))
      (cons 'challenges
            (and type
                 `(((,type . ((manual . ,(given
                                          (cons 'auth_hook (hook->command (string-append name "-authentication-hook")
                                                                          (certificate-authentication-hook certificate)))
                                          (cons 'cleanup_hook (and cleanup (hook->command (string-append name "-cleanup-hook") cleanup)))))))))))
      (cons 'services (and nginx? (certificate-start-self-signed? certificate) '(nginx)))
      (cons 'hooks (and installed `((installed . ((command . ,installed))))))
      (cons 'owner (certificate-owner certificate))
      (cons 'group (certificate-group certificate)))
     (certificate-extra-options certificate))))


;;; The configuration.

(define (check-configuration config nginx?)
  (let ((names (map certificate->name (configuration-certificates config)))
        (webroot (configuration-webroot config))
        (size (configuration-rsa-key-size config))
        (server (configuration-server config)))
    (for-each (lambda (name)
                (when (> (count (lambda (other) (equal? name other)) names) 1)
                  (refuse "two certificates are named ~s; give one of them another name" name)))
              names)
    (unless (if webroot
                (and (string? webroot) (string-prefix? "/" webroot))
                (not nginx?))
      (refuse (if webroot
                  "the webroot ~s is not an absolute path"
                  "the webroot is ~s, and nginx has nothing to show to the CA; name a folder, or take certkeep-standalone-service-type")
              webroot))
    (unless (memv size '(#f 2048 3072 4096))
      (refuse "rsa-key-size is 2048, 3072 or 4096, not ~s; #f makes ECDSA keys" size))
    (unless (or (not server) (string-prefix? "https://" server))
      (refuse "the server ~s is not the URL of an ACME directory, which begins with https://" server))
    (unless (memq (configuration-layout config) '(certbot standard))
      (refuse "the layout is 'certbot or 'standard, not ~s" (configuration-layout config)))))

(define (configuration->table config nginx?)
  (check-configuration config nginx?)
  (let ((webroot (configuration-webroot config))
        (server (configuration-server config))
        (size (configuration-rsa-key-size config))
        (certificates (configuration-certificates config)))
    (with-extra
     (given
      (cons 'state (configuration-state-directory config))
      (cons 'pid_file %pid-file)
      (cons 'email (configuration-email config))
      (cons 'accept_terms (configuration-accept-terms? config))
      (cons 'issuers (and server `((acme . ((directory . ,server))))))
      (cons 'listen (and webroot '((http . #f))))
      (cons 'challenges (and webroot `(((http-01 . ((webroot . ,webroot)))))))
      (cons 'services
            (and nginx?
                 `((nginx . ((check . #f)
                             (reload . ((signal . HUP) (pid_file . ,(configuration-nginx-pid-file config)))))))))
      (cons 'defaults
            (given (cons 'issuer (and server 'acme))
                   (cons 'key_types (and size (list (string->symbol (format #f "rsa-~a" size)))))
                   (cons 'path (configuration-directory config))
                   (cons 'layout (configuration-layout config))))
      (cons 'certificates
            (and (pair? certificates)
                 (map (lambda (certificate)
                        (cons (string->symbol (certificate->name certificate))
                              (certificate->table certificate config nginx?)))
                      certificates))))
     (configuration-extra-options config))))

(define (program config)
  (let ((package (configuration-package config)))
    (if (string? package) package (file-append package "/bin/certkeep"))))

(define (checked-file program file)
  "Return FILE, which Certkeep's PROGRAM has to find right."
  (computed-file
   "certkeep.json"
   #~(begin
       (unless (zero? (status:exit-val
                       (with-input-from-file #$file
                         (lambda () (system* #$program "-q" "config" "check" "-")))))
         (error "certkeep: the configuration is refused; stdin is the file that the records make"))
       (copy-file #$file #$output))))

(define* (certkeep-configuration-file config #:key (nginx? #t))
  "Return CONFIG as a file in Certkeep's own form."
  (define (written name)
    (apply mixed-text-file name (append (json (configuration->table config nginx?)) '("\n"))))
  ;; A program by its path is not there where systems are built.
  (if (and (configuration-check? config) (not (string? (configuration-package config))))
      (checked-file (program config) (written "certkeep-unchecked.json"))
      (written "certkeep.json")))


;;; What the service adds to the system.

(define* (activation config #:key (nginx? #t))
  ;; Placeholders are there before nginx starts: activation comes before all
  ;; services, and this asks no CA. A failure must not keep the system from
  ;; starting. Where the daemon runs it does the same, after herd reload.
  (with-imported-modules '((guix build utils))
    #~(begin
        (use-modules (guix build utils))
        (mkdir-p #$(configuration-state-directory config))
        (chmod #$(configuration-state-directory config) #o700)
        (mkdir-p #$(configuration-directory config))
        #$@(if (configuration-webroot config) (list #~(mkdir-p #$(configuration-webroot config))) '())
        ;; 4 and 5: what is served fails or is missing, as on a new system.
        (unless (memv (status:exit-val
                       (with-output-to-file "/dev/null"
                         (lambda ()
                           (system* #$(program config) "--config" #$(certkeep-configuration-file config #:nginx? nginx?)
                                    "-q" "apply" "--only" "install"))))
                      '(0 4 5))
          (format (current-error-port) "certkeep: placeholders could not be written; see 'certkeep status'~%")))))

(define* (etc-files config #:key (nginx? #t))
  `(("certkeep/certkeep.json" ,(certkeep-configuration-file config #:nginx? nginx?))))

(define (profile config)
  (let ((package (configuration-package config)))
    (if (string? package) '() (list package))))

(define (requirement config nginx?)
  "nginx answers challenges, so it is there first; but not where it may wait
itself for a certificate that has no placeholder and needs no answer of nginx."
  (if (and nginx?
           (every (lambda (certificate)
                    (or (certificate-start-self-signed? certificate) (not (challenge-type certificate))))
                  (configuration-certificates config)))
      '(user-processes nginx)
      '(user-processes)))

(define* (shepherd-services config #:key (nginx? #t))
  (map (lambda (service) (service (program config) (requirement config nginx?)))
       (if (configuration-daemon? config) (list daemon) (list timer boot))))

(define (nginx-servers config)
  "Return a server on port 80 for each certificate: the answers to challenges,
ahead of all else, the rest of /.well-known, which Guix's own service shows from
the webroot, too, and the default location."
  (check-configuration config #t)
  (define challenges
    (nginx-location-configuration
     (uri "^~ /.well-known/acme-challenge/")
     (body (list "auth_basic off;" (string-append "root " (configuration-webroot config) ";")))))
  (define well-known
    (nginx-location-configuration
     (uri "/.well-known/")
     (body (list (string-append "root " (configuration-webroot config) ";")))))
  (filter-map
   (lambda (certificate)
     (and (pair? (certificate-domains certificate))
          (nginx-server-configuration
           (listen '("80" "[::]:80"))
           (ssl-certificate #f)
           (ssl-certificate-key #f)
           (server-name (certificate-domains certificate))
           (locations (append (if (challenge-type certificate) '() (list challenges well-known))
                              (filter identity (list (configuration-default-location config))))))))
   (configuration-certificates config)))

(define (add-certificates config more)
  (certkeep-configuration
   (inherit config)
   (certificates (append (configuration-certificates config) more))))

(define (extended-services nginx?)
  (list (service-extension activation-service-type (lambda (config) (activation config #:nginx? nginx?)))
        (service-extension etc-service-type (lambda (config) (etc-files config #:nginx? nginx?)))
        (service-extension profile-service-type profile)
        (service-extension shepherd-root-service-type (lambda (config) (shepherd-services config #:nginx? nginx?)))))

;; Beside nginx, which answers challenges and is told of certificates.
(define certkeep-service-type
  (service-type
   (name 'certkeep)
   (extensions (cons (service-extension nginx-service-type nginx-servers) (extended-services #t)))
   (compose concatenate)
   (extend add-certificates)
   (default-value (certkeep-configuration))
   (description "Obtain TLS certificates, install them where nginx reads them, and renew them.")))

;; Without a web server.
(define certkeep-standalone-service-type
  (service-type
   (name 'certkeep-standalone)
   (extensions (extended-services #f))
   (compose concatenate)
   (extend add-certificates)
   (default-value (certkeep-configuration (webroot #f)))
   (description "Obtain TLS certificates and renew them.")))
