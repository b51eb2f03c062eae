"""What websites call things, in the languages they come in. Tables only; `labels.py` reads them.

Terms are written as people write them and separated by commas; case, accents, spaces and signs do not count.
"""

EMAIL = """
email, e mail, email address, e mail address, mail, mail address, emailaddress, address email, user email,
your email, work email, business email, company email, office email, personal email, primary email, best
email, professional email, corporate email, work email address, business email address, email id, reply to,
replyto, from email, email from, sender email, contact email, courriel, adresse mail, adresse email, adresse
e mail, adresse courriel, adresse electronique, mel, email professionnel, adresse email professionnelle,
email pro, adresse mail professionnelle, e mail adresse, mailadresse, emailadresse, elektronische post,
correo, correo electronico, direccion de correo, direccion de correo electronico, direccion email, correo e,
mail aziendale, indirizzo email, indirizzo e mail, indirizzo di posta elettronica, posta elettronica, email
aziendale, endereco de email, endereco de e mail, correio eletronico, email corporativo, e mailadres,
emailadres, mailadres, adres e mail, adres email, adres mailowy, poczta, e mailova adresa, emailova adresa,
mejl, e post, epost, e postadress, epostadress, e postadresse, epostadresse, mailadress, sahkoposti,
sahkopostiosoite, eposta, e posta adresi, eposta adresi, почта, электронная почта, эл почта, емейл, имейл,
мейл, емаил, адрес электронной почты, электронный адрес, електронна пошта, пошта, електронна адреса, ел
пошта, ηλεκτρονικο ταχυδρομειο, ηλεκτρονικη διευθυνση, διευθυνση email, email cim, e mail cim, emailcim,
drotposta, adresa de email, adresa email, adresa de e mail, メール, メールアドレス, e メール, eメール,
eメールアドレス, 电子邮件, 电子邮箱, 邮箱, 邮件, 邮箱地址, 电子邮件地址, 電子郵件, 電郵, 電子信箱, 信箱,
이메일, 이메일 주소, 메일, 메일 주소, 전자우편, البريد الالكتروني, بريد الكتروني, الايميل, ايميل, البريد,
דואל, דוא ל, אימייל, מייל, כתובת מייל, כתובת אימייל, דואר אלקטרוני
"""

NAME = """
name, full name, fullname, names, complete name, your full name, contact name, contact person, person name,
customer name, contact full name, company contact, company contact name, contact person name, lead name,
from name, sender name, display name, first and last name, first last name, firstname lastname, name
surname, name and surname, first name and last name, first name last name, who are you, what should we call
you, what do we call you, nom, nom complet, nom et prenom, nom prenom, prenom et nom, prenom nom, nom
prenoms, vollstandiger name, vor und nachname, vorname nachname, vorname und nachname, vorname name, name
vorname, vor und zuname, ansprechpartner, kontaktperson, wie heissen sie, wie heisst du, nombre, nombre
completo, nombre y apellido, nombre y apellidos, nombre apellido, nombres y apellidos, como te llamas, nome,
nome completo, nome e cognome, nome cognome, cognome e nome, nominativo, nome e sobrenome, nome e apelido,
naam, volledige naam, voor en achternaam, voornaam en achternaam, contactpersoon, imie i nazwisko, imie
nazwisko, jmeno a prijmeni, jmeno prijmeni, cele jmeno, namn, for och efternamn, fullstandigt namn, navn,
fulde navn, fullt navn, for og efternavn, for og etternavn, nimi, koko nimi, etu ja sukunimi, ad soyad,
adiniz soyadiniz, adi soyadi, adiniz ve soyadiniz, isim soyisim, isim, ad ve soyad, isim soyad, фио, ф и о,
полное имя, имя и фамилия, имя фамилия, фамилия имя, фамилия имя отчество, как вас зовут, как к вам
обращаться, контактное лицо, піб, п і б, імя та прізвище, імя прізвище, повне імя, прізвище та імя,
ονοματεπωνυμο, ονομα και επωνυμο, ονομα επωνυμο, nev, teljes nev, neve, nume, numele, nume si prenume, nume
prenume, nume complet, numele complet, お名前, 名前, 氏名, ご氏名, お客様名, 担当者名, ご担当者名, 担当者,
ご担当者様名, 姓名, 您的姓名, 名称, 聯絡人, 联系人, 联系人姓名, 称呼, 이름, 성함, 성명, 담당자, 담당자명,
담당자 이름, الاسم, الاسم الكامل, الاسم بالكامل, اسمك, شם, שם, שם מלא, שם פרטי ומשפחה, שם פרטי ושם משפחה
"""

FIRST_NAME = """
first name, firstname, fname, f name, given name, given names, givenname, forename, christian name, name
first, first, forenames, preferred name, prenom, prenoms, vorname, vornamen, rufname, primer nombre, nombre
de pila, nombres, primeiro nome, nome proprio, nome di battesimo, voornaam, roepnaam, imie, imiona, jmeno,
krestni jmeno, fornamn, tilltalsnamn, fornavn, etunimi, adiniz, ad, adi, имя, імя, ім я, ονομα, ονομα σας,
keresztnev, utonev, prenume, prenumele, 名, 名 (mei), 下の名前, 名字 (given), ファーストネーム, 이름
(first), الاسم الاول, שם פרטי
"""

LAST_NAME = """
last name, lastname, lname, l name, surname, family name, familyname, second name, name last, last, last,
sur name, nom de famille, nom famille, nachname, nachnamen, familienname, zuname, apellido, apellidos,
primer apellido, cognome, cognomi, sobrenome, ultimo nome, apelido, achternaam, familienaam, nazwisko,
prijmeni, efternamn, efternavn, etternavn, sukunimi, soyad, soyadi, soyadiniz, soyisim, фамилия, прізвище,
επωνυμο, επιθετο, vezeteknev, csaladnev, csaladi nev, nume de familie, nume familie, 姓, 苗字, 名字, 姓氏,
ラストネーム, 성, 성씨, اسم العائلة, اللقب, الاسم الاخير, שם משפחה
"""

PHONE = """
phone, phone number, phonenumber, phone no, telephone, telephone number, telephone no, tel, tel no, tel
number, mobile, mobile number, mobile no, mobile phone, mobile phone number, cell, cell phone, cellphone,
cell number, cell phone number, cellular, contact number, contact no, contact phone, contact phone number,
ph, phone1, day phone, daytime phone, home phone, work phone, work phone number, business phone, business
phone number, office phone, primary phone, main phone, direct phone, evening phone, whatsapp, whatsapp
number, phone whatsapp, whatsapp phone, number to call, callback number, call back number, best number,
msisdn, handphone, telefon, telefonnummer, telefon nummer, telefonnr, telefon nr, tel nr, telnr, rufnummer,
handy, handynummer, handy nummer, mobil, mobilnummer, mobiltelefon, mobilfunknummer, festnetz,
ruckrufnummer, telefonische erreichbarkeit, numero de telephone, numero telephone, no de telephone,
portable, telephone portable, telephone mobile, numero de portable, telefono, numero de telefono, telefono
movil, movil, celular, telefono celular, numero de celular, numero de contacto, telefono de contacto, numero
di telefono, cellulare, telefono cellulare, recapito telefonico, numero telefonico, telefone, numero de
telefone, telemovel, celular whatsapp, telefoonnummer, telefoon, mobiel, mobiele nummer, mobiel nummer,
numer telefonu, telefon kontaktowy, nr telefonu, komorka, telefon komorkowy, telefonni cislo, mobilni
telefon, telefonni, telefonnummer, mobilnummer, telefoni, puhelin, puhelinnumero, matkapuhelin, telefon
numarasi, telefon numaraniz, cep telefonu, cep, gsm, telefonunuz, телефон, номер телефона, контактный
телефон, мобильный, мобильный телефон, тел, моб телефон, номер телефону, мобільний, мобільний телефон,
контактний телефон, τηλεφωνο, αριθμος τηλεφωνου, κινητο, κινητο τηλεφωνο, τηλεφωνο επικοινωνιας, σταθερο,
telefonszam, mobilszam, numar de telefon, numar telefon, telefonul, nr telefon, telefon mobil, 電話,
電話番号, お電話番号, 携帯電話, 携帯, 携帯番号, 携帯電話番号, ご連絡先電話番号, tel 電話番号, 电话,
电话号码, 手机, 手机号, 手机号码, 联系电话, 電話號碼, 聯絡電話, 手機, 手機號碼, 전화, 전화번호, 휴대폰,
휴대폰 번호, 휴대전화, 핸드폰, 연락처, 연락처 번호, الهاتف, رقم الهاتف, الجوال, رقم الجوال, هاتف, جوال,
موبايل, رقم الموبايل, טלפון, נייד, מספר טלפון, טלפון נייד, סלולרי, פלאפון
"""

COMPANY = """
company, company name, name of company, name company, companyname, organization, organisation, organization
name, organisation name, name organization, name organisation, org, business, business name, name business,
employer, employer name, firm, firm name, company organization, company organisation, company or
organization, company or organisation, institution, institution name, agency name, account name,
corporation, legal name, company legal name, company title, work for, who do you work for, which company do
you work for, what company do you work for, where do you work, trading name, practice name, societe, nom de
la societe, nom societe, nom de l entreprise, nom entreprise, entreprise, raison sociale, organisme,
organisation societe, firma, firmenname, firmen name, unternehmen, unternehmensname, name der firma, name
firma, name des unternehmens, name unternehmen, firma organisation, betrieb, organisation firma,
arbeitgeber, empresa, nombre de la empresa, nombre empresa, nombre de empresa, compania, nombre de la
compania, razon social, organizacion, negocio, nombre del negocio, azienda, nome azienda, nome dell azienda,
societa, ragione sociale, ditta, impresa, organizzazione, nome da empresa, nome empresa, nome de empresa,
razao social, organizacao, bedrijf, bedrijfsnaam, naam bedrijf, naam van het bedrijf, organisatie, naam
organisatie, nazwa firmy, firma nazwa, przedsiebiorstwo, nazwa przedsiebiorstwa, organizacja, spolecnost,
nazev firmy, nazev spolecnosti, podnik, foretag, foretagsnamn, foretagets namn, virksomhed, virksomhedsnavn,
firmanavn, selskap, selskapsnavn, bedrift, bedriftsnavn, yritys, yrityksen nimi, yritysnimi, organisaatio,
sirket, sirket adi, sirketiniz, sirket ismi, firma adi, firmaniz, kurum, компания, название компании,
организация, название организации, предприятие, фирма, наименование организации, компанія, назва компанії,
організація, підприємство, εταιρεια, εταιρια, επωνυμια, επωνυμια εταιρειας, ονομα εταιρειας, επιχειρηση,
ceg, cegnev, ceg neve, vallalat, vallalkozas, companie, numele companiei, nume companie, nume firma,
denumire firma, 会社, 会社名, 御社名, 貴社名, 企業名, 法人名, 団体名, 会社名 団体名, 勤務先, 組織名, 公司,
公司名称, 公司名, 企业名称, 企业, 单位, 单位名称, 公司名稱, 회사, 회사명, 회사 이름, 기업명, 업체명, 소속,
상호, الشركة, اسم الشركة, المؤسسة, جهة العمل, شركة, חברה, שם החברה, שם חברה, ארגון, שם העסק
"""

MESSAGE = """
message, messages, your message, msg, message text, message body, body, comment, comments, your comments,
additional comments, comments or questions, questions or comments, questions comments, comments questions,
question, questions, your question, enquiry, inquiry, your enquiry, your inquiry, enquiry details, inquiry
details, notes, note, additional notes, description, request, your request, project description, project
details, describe your project, tell us about your project, tell us more, tell us more about your project,
tell us about your needs, additional information, additional info, additional details, more information,
anything else, anything else we should know, is there anything else, anything else you d like to share,
anything else you would like us to know, details, how can we help, how can we help you, how may we help, how
may we help you, how can we be of help, how can i help, how can i help you, what can we help you with, what
can we help with, what can we do for you, what is it about, what would you like to discuss, what would you
like to know, leave a message, write a message, write us a message, write your message, leave us a message,
feedback, message to us, message for us, special requests, textarea, your message to us, please share
anything that will help prepare for our meeting, nachricht, mitteilung, ihr anliegen, anliegen, anfrage,
kommentar, kommentare, bemerkung, bemerkungen, anmerkung, anmerkungen, frage, fragen, text, ihre frage,
beschreibung, projektbeschreibung, wie konnen wir helfen, wie konnen wir ihnen helfen, wie konnen wir dir
helfen, was konnen wir fur sie tun, worum geht es, ihre nachricht an uns, nachricht an uns, commentaire,
commentaires, demande, votre demande, votre question, remarque, remarques, message complementaire, comment
pouvons nous vous aider, comment pouvons nous aider, votre projet, description projet, decrivez votre
projet, mensaje, comentario, comentarios, consulta, pregunta, preguntas, descripcion, observaciones,
solicitud, en que podemos ayudarte, en que podemos ayudarle, como podemos ayudarte, como podemos ayudarle,
detalles, cuentanos tu proyecto, messaggio, commento, commenti, richiesta, domanda, descrizione, testo, note
aggiuntive, come possiamo aiutarti, come possiamo aiutarla, mensagem, comentario, comentarios, pergunta,
descricao, observacoes, duvida, como podemos ajudar, em que podemos ajudar, assunto da mensagem, bericht,
opmerking, opmerkingen, vraag, vragen, uw vraag, toelichting, omschrijving, hoe kunnen we helpen, hoe kunnen
we je helpen, waarmee kunnen we helpen, wiadomosc, tresc, tresc wiadomosci, pytanie, zapytanie, komentarz,
uwagi, opis, w czym mozemy pomoc, jak mozemy pomoc, zprava, zpravu, vase zprava, dotaz, poznamka, komentar,
popis, vzkaz, meddelande, kommentarer, fraga, beskrivning, ovrigt, hur kan vi hjalpa dig, hur kan vi hjalpa
till, besked, meddelelse, beskrivelse, sporgsmal, melding, sporsmal, henvendelse, hvordan kan vi hjelpe,
hvordan kan vi hjaelpe, beskjed, viesti, viestisi, kommentti, kysymys, lisatiedot, miten voimme auttaa,
mesaj, mesajiniz, iletiniz, ileti, aciklama, soru, sorunuz, yorum, yorumunuz, not, size nasil yardimci
olabiliriz, сообщение, текст сообщения, комментарий, комментарии, вопрос, ваш вопрос, описание, пожелания,
текст, примечание, чем мы можем помочь, повідомлення, коментар, питання, запитання, опис, текст
повідомлення, чим ми можемо допомогти, μηνυμα, το μηνυμα σας, σχολια, σχολιο, ερωτηση, περιγραφη, πως
μπορουμε να βοηθησουμε, πως μπορουμε να σας βοηθησουμε, uzenet, uzenete, megjegyzes, kerdes, leiras, miben
segithetunk, mesajul, mesajul dvs, comentarii, intrebare, descriere, cu ce va putem ajuta, cum va putem
ajuta, メッセージ, お問い合わせ内容, お問合せ内容, お問い合わせ, 内容, ご質問, ご要望, 備考, 本文, コメント,
ご相談内容, お問い合わせ本文, ご質問内容, 留言, 消息, 信息, 内容描述, 留言内容, 备注, 咨询内容, 问题,
您的留言, 需求描述, 您的需求, 訊息, 留言內容, 備註, 메시지, 문의, 문의 내용, 문의사항, 내용, 문의내용, 메모,
질문, 요청사항, الرسالة, رسالتك, رسالة, ملاحظات, استفسار, استفسارك, نص الرسالة, كيف يمكننا مساعدتك, הודעה,
תוכן ההודעה, תוכן, הערות, שאלה, פרטים, איך אפשר לעזור, איך נוכל לעזור
"""

SUBJECT = """
subject, _subject, your subject, subject line, email subject, topic, betreff, sujet, objet, asunto, oggetto,
assunto, onderwerp, temat, predmet, amne, emne, aihe, konu, тема, тема сообщения, тема повідомлення, θεμα,
targy, subiect, 件名, 题目, 主题, 主題, 제목, الموضوع, נושא
"""

CONFIRM = """
confirm email, email confirm, email confirmation, confirm email address, confirm your email, repeat email,
email repeat, re enter email, retype email, verify email, email again, email2 confirm, email verify, email
address confirm, email address confirmation, email bestatigen, e mail bestatigen, e mail wiederholen, email
wiederholen, confirmer email, confirmez email, confirmer votre email, confirmation email, confirmation e
mail, confirmar email, confirmar correo, confirmar correo electronico, repita email, repetir email, conferma
email, ripeti email, potwierdz email, メールアドレス確認, メールアドレス確認用, メールアドレス再入力, 이메일
확인
"""

# Words around the term that change nothing: "What is your first name?", "Ihre E-Mail-Adresse (Pflichtfeld)".
FILLERS = """
your yours my which melhor the a an please enter provide give what whats s is are and of here contact billing customer
client lead visitor person applicant guest member attendee respondent required optional mandatory field
fields input text txt tb fld wpforms mauticform et pb contactform cf cf7 gf nf ff frm mc mce merge merges
ctl00 content placeholder data attr attributes properties value values answer answers question item meta q
hidden d can could may we have us know tell our prefered preferred best valid main insert write fill in ihr
ihre ihren ihrem dein deine deinen bitte geben gib sie du ein eingeben angeben der die das den des lautet
wie ist pflichtfeld erforderlich und votre vos ton ta tes mon ma le la les l de du un une veuillez saisir
saisissez entrer entrez indiquez indiquer obligatoire facultatif quel quelle est et c su sus tu tus mi el
los las del introduce introduzca escribe escriba ingrese ingresa por favor cual es obligatorio opcional y il
lo i gli tuo tua suo sua vostro vostra inserisci inserire di della dell dello obbligatorio facoltativo qual
e per favore seu o os da do digite informe insira obrigatorio opcional uw je jouw mijn vul het een van
verplicht wat twoj twoje twoja podaj wpisz prosze pani pana wymagane panstwa din ditt dina ange skriv dit
indtast vas vase vasi zadejte vyplnte povinne sinun anna lutfen giriniz girin sizin zorunlu ваш ваша ваше
ваши введите укажите пожалуйста обязательно вашe твое введіть вкажіть будь ласка σας το η ο οι εισαγετε
παρακαλω υποχρεωτικο az on kotelezo kerjuk adja meg dvs dumneavoastra va rugam introduceti obligatoriu 必須
任意 必填 选填 您的 你的 請輸入 请输入 필수 선택 مطلوب אנא הזן חובה
"""

# A label with one of these is about the thing next to the term, not the term.
NOT_IT = """
size type kind category industry sector website url link domain role position department employees revenue
turnover count number age year years time times date day when preferred prefer best how often method
preference extension ext country code prefix model friend friends referrer referral refer referred colleague
manager boss partner spouse emergency assistant supervisor recipient admin owner agent sales
webmaster cc bcc to template sender noreply notification status valid verified verification id ids hash
token key password file files page form site event project product domain pet child host
brand campaign list visit session title language grosse groesse branche art typ taille secteur tamano tipo
sector dimensione settore tamanho setor grootte wielkosc velikost storlek storrelse koko размер тип розмір
μεγεθος meret marime 規模 種類 フリガナ ふりがな カナ 確認 확인 규모 직원 ペット 部署
"""

CONSENT_STRONG = """
consent consents consented gdpr rgpd dsgvo dpa kvkk lgpd rodo optin einwilligung zustimmung einverstandnis
einverstanden einverstaendnis consentement consentimiento consentimento consenso toestemming zgoda zgody
souhlas samtycke samtykke suostumus согласие згода συγκαταθεση συναινεση hozzajarulas hozzajarulok
consimtamant consimtamantul acordul onay onayi riza 同意 동의 موافقة הסכמה
"""
CONSENT_WEAK = """
acceptance accept accepted accepts agree agreed agreement terms tos tnc privacy agb datenschutz
datenschutzerklarung datenschutzerklaerung newsletter subscribe subscription permission marketing disclaimer
policy accepter confidentialite j accepte privacidad acepto politica privacidade aceito informativa accetto
akkoord voorwaarden privacybeleid nieuwsbrief regulamin prywatnosci newslettera podminky gdpr villkor
integritetspolicy godkanner vilkar nyhedsbrev nyhetsbrev tietosuoja tietosuojaseloste uutiskirje kosullar
bulten рассылка подписка политика конфиденциальности персональных розсилка adatkezeles adatvedelmi hirlevel
termeni プライバシーポリシー 個人情報 个人信息 隐私政策 개인정보 뉴스레터 التحديثات תנאי דיוור
"""

EMAIL_WORDS = (
    "email mail emails mailadresse courriel correo sahkoposti epost eposta почта почты пошта emailadresse mejl posta"
)
PHONE_WORDS = """
phone telephone tel mobile cell whatsapp telefon telefonnummer telefono telefone telephone handy handynummer
rufnummer portable movil celular cellulare telefoon telefoonnummer puhelin puhelinnumero телефон телефона
телефону τηλεφωνο telefonszam sms
"""
MESSAGE_WORDS = """
message comment comments enquiry inquiry nachricht anliegen commentaire mensaje comentarios messaggio
mensagem bericht wiadomosc zprava meddelande besked melding viesti mesaj сообщение комментарий повідомлення
μηνυμα uzenet
"""

# Scripts without spaces: the term may stand anywhere in the label.
INSIDE = {
    "email": "メール 邮箱 电子邮件 電子郵件 이메일",
    "phone": "電話 携帯 电话 手机 手機 전화 휴대폰 연락처",
    "company": "会社 企業 法人 公司 企业 회사",
    "name": "お名前 氏名 姓名 성함",
    "message": "お問い合わせ内容 お問合せ内容 ご相談 ご質問 留言 메시지 문의",
}

FLAGS = """
1, 0, on, off, yes, no, true, false, y, n, x, ok, checked, unchecked, accepted, accept, agree, agreed, i
agree, i accept, granted, denied, subscribed, opt in, opt out, optin, ja, nein, akzeptiert, zugestimmt,
einverstanden, ich stimme zu, oui, non, accepte, j accepte, si, acepto, aceptado, accetto, accettato, sim,
nao, aceito, nee, akkoord, tak, nie, zgadzam sie, ano, ne, nej, nei, kylla, ei, evet, hayir, да, нет, так,
ні, согласен, согласна, ναι, οχι, igen, nem, da, nu, de acord, はい, いいえ, 同意, 同意する, 同意します, 是,
否, 예, 네, 아니오, 동의, 동의합니다, نعم, لا, موافق, כן, לא, מאשר, acceptance, selected, null
"""

CONSENT_TEXT_STARTS = """
i agree, i accept, i consent, i have read, i understand, i would like to receive, i want to receive, i
confirm, yes i agree, yes i accept, yes i would like, yes i want, yes sign me up, yes please send me, by
submitting, by checking, ich stimme, ich akzeptiere, ich habe die datenschutz, ich willige, ich bin
einverstanden, ja ich, mit dem absenden, j accepte, je accepte, je consens, en soumettant, j ai lu, acepto,
he leido, estoy de acuerdo, accetto, ho letto, acconsento, aceito, li e aceito, concordo, ik ga akkoord, ik
accepteer, zgadzam sie, wyrazam zgode, akceptuje, souhlasim, jag godkanner, jag samtycker, jeg accepterer,
jeg godkender, jeg godtar, jeg samtykker, hyvaksyn, kabul ediyorum, я согласен, я согласна, я принимаю, даю
согласие, я погоджуюсь, αποδεχομαι, συμφωνω, elfogadom, hozzajarulok, sunt de acord
"""

HONORIFICS = """
mr mrs ms miss mx dr prof professor sir madam herr frau hr fr dott ing mag dipl m mme mlle monsieur madame
mademoiselle sr sra srta don dona senor senora sig signor signora signore dhr mevr mw pan pani bay bayan
"""

NO_VALUE = frozenset(["na", "n/a", "none", "-", "--", ".", "null", "undefined", "keine", "nil"])
